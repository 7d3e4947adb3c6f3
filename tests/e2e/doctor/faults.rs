//! Faults of the cache, its key and the credential for it.

use std::{fs, process::Command};

use rns_testing::{FixtureStore, Nix, Server, Standard, Tree};

use super::{
    Diagnosis, Doctor,
    mending::{netrc_line, with_nix_conf_line},
};
use crate::support::{
    OTHER_PUBLIC_KEY, PUBLIC_KEY, SECRET_KEY, full,
    private::{Private, create, create_expired},
    serve, server, write_key,
};

/// A look at a healthy server with these keys.
fn with_keys(keys: &[&str]) -> Diagnosis {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let path = standard.executable.as_str();
    let doctor = Doctor::of(server.url()).args(["--path", path]);
    keys.iter().fold(doctor, |doctor, key| doctor.args(["--key", key])).run()
}

/// Asserts that a machine whose nix.conf trusts these keys has this fault, and that real Nix refuses the path. After the
/// line that mends it there is no fault, and Nix takes the path.
#[track_caller]
fn assert_keys(keys: &str, id: &str) {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let conf = format!("substituters = {}\ntrusted-public-keys = {keys}\n", server.url());
    let mut doctor = Doctor::of(server.url()).arg("--path").arg(standard.executable.as_str());
    doctor = doctor.nix_conf(&conf);
    let diagnosis = doctor.look();
    diagnosis.names(&[id]);
    doctor.mend_nix_conf(&diagnosis);
    doctor.run().is_silent();
    let Some(nix) = Nix::v2_34() else { return };
    let substitute = |conf: &str| {
        let client = nix.client().option("require-sigs", "true");
        let settings = conf.lines().map(|line| line.split_once(" = ").unwrap());
        let client = settings.fold(client, |client, (name, value)| client.option(name, value));
        client.realise([full(&standard.executable)]).status.success()
    };
    assert!(!substitute(&conf), "{conf}");
    let mended = with_nix_conf_line(&conf, diagnosis.mend());
    assert!(substitute(&mended), "{mended}");
}

#[test]
fn a_wrong_key_of_the_right_name() {
    assert_keys(OTHER_PUBLIC_KEY, "wrong-key");
    // Nix takes the first key of a name, so that a right one behind it is ignored.
    assert_keys(&format!("{OTHER_PUBLIC_KEY} {PUBLIC_KEY}"), "wrong-key");
    let diagnosis = with_keys(&[OTHER_PUBLIC_KEY]);
    diagnosis.names(&["wrong-key"]);
    let line = format!("nix.conf: extra-trusted-public-keys = {PUBLIC_KEY}   # ");
    assert!(diagnosis.mend().starts_with(&line), "{}", diagnosis.mend());
}

#[test]
fn the_right_key_under_another_name() {
    let (_, key) = PUBLIC_KEY.split_once(':').unwrap();
    assert_keys(&format!("cache-1:{key}"), "key-other-name");
    with_keys(&[&format!("cache-1:{key}")]).names(&["key-other-name"]);
}

#[test]
fn a_key_that_has_nothing_to_do_with_it() {
    let (_, key) = OTHER_PUBLIC_KEY.split_once(':').unwrap();
    assert_keys(&format!("cache-1:{key}"), "key-not-trusted");
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
    let diagnosis = doctor.run();
    diagnosis.names(&["store-dir-differs"]);
    assert!(diagnosis.mend().contains("store.dir = \"/nix/store\""), "{}", diagnosis.mend());
}

#[test]
fn the_priority_of_the_public_cache() {
    let standard = Standard::new();
    let server = server()
        .store(&standard.store)
        .keys([SECRET_KEY])
        .section("[cache_info]\npriority = 40")
        .start();
    for mine in ["", "URL", "URL?trusted=true", "URL?priority=40", "URL?priority=40&trusted=true"] {
        let conf = format!("substituters = https://cache.nixos.org {mine}\n");
        let doctor = Doctor::of(server.url()).args(["--path", standard.executable.as_str()]);
        let doctor = doctor.args(["--key", PUBLIC_KEY]);
        let mut doctor = doctor.nix_conf(&conf.replace("URL", server.url()));
        let diagnosis = doctor.look();
        diagnosis.names(&["priority-clash"]);
        doctor.mend_nix_conf(&diagnosis);
        doctor.look().is_silent();
        let conf = fs::read_to_string(doctor.scratch.join("nix.conf")).unwrap();
        assert_eq!(conf.matches(server.url()).count(), 1, "{conf}");
        assert_eq!(conf.contains("trusted=true"), mine.contains("trusted=true"), "{conf}");
    }
}

#[test]
fn a_private_cache_without_a_credential() {
    let private = Private::new();
    let mut doctor = Doctor::of(private.server.url()).args(["--key", PUBLIC_KEY]);
    let diagnosis = doctor.look();
    diagnosis.names(&["credential-missing"]);
    let (netrc, line) = netrc_line(&diagnosis, &private.token);
    write_key(&netrc, &line);
    doctor.run().is_silent();
}

/// Looks with a token until the server knows it, and once more with the one that the mending line makes.
#[track_caller]
fn assert_token(private: &Private, token: &str, id: &str) {
    let file = private.server.scratch().join("token");
    let look = |token: &str| -> Diagnosis {
        write_key(&file, token);
        let doctor = Doctor::of(private.server.url()).args(["--key", PUBLIC_KEY, "--token-file"]);
        doctor.arg(&file).run()
    };
    assert_known(&private.server, || look(token), id);
    let diagnosis = look(token);
    diagnosis.names(&[id]);
    let made = diagnosis.mend_in_shell(Some(&private.server.scratch().join("config.toml")));
    private.server.signal(rustix::process::Signal::HUP);
    crate::support::eventually(|| look(made.text().trim()).code == 0);
    look(made.text().trim()).is_silent();
}

/// Waits until the server has taken up its tokens.
fn assert_known(server: &Server, look: impl Fn() -> Diagnosis, id: &str) {
    server.signal(rustix::process::Signal::HUP);
    crate::support::eventually(|| look().ids() == [id]);
}

#[test]
fn a_token_that_has_expired() {
    let private = Private::new();
    let token = create_expired(&private.file, "old");
    assert_token(&private, &token, "token-expired");
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
    assert_token(&private, &token, "token-not-permitted");
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
