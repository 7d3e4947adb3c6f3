//! Faults of the cache, its key and the credential for it.

use std::{fs, process::Command};

use rns_testing::{FixtureStore, Standard, Tree};

use super::Doctor;
use crate::support::{
    OTHER_PUBLIC_KEY, PUBLIC_KEY, SECRET_KEY,
    private::{Private, create, create_expired},
    serve, server,
};

/// A look at a healthy server with these keys.
fn with_keys(keys: &[&str]) -> super::Diagnosis {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let path = standard.executable.as_str();
    let doctor = Doctor::of(server.url()).args(["--path", path]);
    keys.iter().fold(doctor, |doctor, key| doctor.args(["--key", key])).run()
}

#[test]
fn a_wrong_key_of_the_right_name() {
    let diagnosis = with_keys(&[OTHER_PUBLIC_KEY]);
    diagnosis.names(&["wrong-key"]);
    assert!(diagnosis.mend().contains(PUBLIC_KEY), "{}", diagnosis.mend());
}

#[test]
fn the_right_key_under_another_name() {
    let (_, key) = PUBLIC_KEY.split_once(':').unwrap();
    let diagnosis = with_keys(&[&format!("cache-1:{key}")]);
    diagnosis.names(&["key-other-name"]);
    assert!(diagnosis.mend().contains(PUBLIC_KEY), "{}", diagnosis.mend());
}

#[test]
fn a_key_that_has_nothing_to_do_with_it() {
    let (_, key) = OTHER_PUBLIC_KEY.split_once(':').unwrap();
    with_keys(&[&format!("cache-1:{key}")]).names(&["key-not-trusted"]);
}

#[test]
fn paths_without_a_signature() {
    let standard = Standard::new();
    let server = server().store(&standard.store).start();
    let doctor = Doctor::of(server.url()).args(["--path", standard.executable.as_str()]);
    doctor.args(["--key", PUBLIC_KEY]).run().names(&["unsigned"]);
}

#[test]
fn another_store_directory() {
    let mut store = FixtureStore::with_store_dir("/srv/nix/store");
    let path = store.add("tool", Tree::file("contents"));
    let server = serve(&store);
    let doctor = Doctor::of(server.url()).args(["--path", path.as_str(), "--key", PUBLIC_KEY]);
    doctor.run().names(&["store-dir-differs"]);
}

#[test]
fn the_priority_of_the_public_cache() {
    let standard = Standard::new();
    let server = server()
        .store(&standard.store)
        .keys([SECRET_KEY])
        .section("[cache_info]\npriority = 40")
        .start();
    let doctor = Doctor::of(server.url()).args(["--path", standard.executable.as_str()]);
    let conf = "substituters = https://cache.nixos.org\n";
    doctor.args(["--key", PUBLIC_KEY]).nix_conf(conf).run().names(&["priority-clash"]);
}

#[test]
fn a_private_cache_without_a_credential() {
    let private = Private::new();
    let diagnosis = Doctor::of(private.server.url()).run();
    diagnosis.names(&["credential-missing"]);
    assert!(diagnosis.mend().contains("machine 127.0.0.1 login"), "{}", diagnosis.mend());
}

#[test]
fn a_token_that_has_expired() {
    let private = Private::new();
    let token = create_expired(&private.file, "old");
    private.server.signal(rustix::process::Signal::HUP);
    let file = private.server.scratch().write("old", token);
    crate::support::eventually(|| {
        let doctor = Doctor::of(private.server.url()).arg("--token-file").arg(&file);
        doctor.run().ids() == ["token-expired"]
    });
}

#[test]
fn a_token_that_nobody_knows() {
    let private = Private::new();
    let file = private.server.scratch().write("unknown", crate::support::private::UNKNOWN);
    let doctor = Doctor::of(private.server.url()).arg("--token-file").arg(&file);
    doctor.run().names(&["credential-refused"]);
}

#[test]
fn a_token_without_the_permission() {
    let private = Private::new();
    let token = create(&private.file, "graphs", &["--allow", "metrics"]);
    private.server.signal(rustix::process::Signal::HUP);
    let file = private.server.scratch().write("graphs", token);
    crate::support::eventually(|| {
        let doctor = Doctor::of(private.server.url()).arg("--token-file").arg(&file);
        doctor.run().ids() == ["token-not-permitted"]
    });
}

#[test]
fn a_page_that_is_no_cache() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    Doctor::of(&format!("{}/elsewhere", server.url())).run().names(&["not-a-cache"]);
}

#[test]
fn people_read_the_same_as_programs() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let mut doctor = Doctor::of(server.url());
    doctor = doctor.args(["--path", standard.executable.as_str(), "--key", OTHER_PUBLIC_KEY]);
    let arguments: Vec<_> = doctor.command.get_args().map(ToOwned::to_owned).collect();
    let mut command = Command::new(doctor.command.get_program());
    command.args(arguments.iter().filter(|argument| *argument != "--json"));
    command.env("NIX_CONF_DIR", doctor.scratch.path()).env("HOME", doctor.scratch.path());
    let finished = rns_testing::run(&mut command, std::time::Duration::from_secs(120));
    let text = finished.text();
    assert_eq!(finished.status.code(), Some(1), "{text}");
    for part in [
        "WRONG    wrong-key: ",
        "  why    Nix ignores",
        "  mend   nix.conf: extra-trusted",
        "One thing is wrong.",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    assert!(!fs::exists(doctor.scratch.join(".cache")).unwrap(), "it leaves nothing behind");
}
