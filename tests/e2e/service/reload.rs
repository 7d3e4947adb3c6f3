//! Keys and configuration that change while the server runs.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use rns_testing::{Server, Standard, http::Response};
use rustix::process::Signal;

use crate::support::write_key;
use crate::support::{
    SECRET_KEY, assert_logged, assert_refusal, fields, narinfo_of, serve, server,
};

const OTHER_SECRET_KEY: &str = "other-1:R9/G623S12Y+jcmmi8SHlHG7aIwAY/8hoI6/LHFpTvTJa0GqLk8Q8RFUWB70QSAU3GHSWoJNfrt9AdBzKPji0g==";

/// The names of the keys that have signed.
fn signers(narinfo: &Response) -> Vec<&str> {
    let signatures = fields(narinfo, "Sig");
    signatures.into_iter().filter_map(|signature| Some(signature.split_once(':')?.0)).collect()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "not within twenty seconds: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signed_by(server: &Server, standard: &Standard, name: &str) -> bool {
    let answer = server.get(&narinfo_of(&standard.tree));
    answer.status() == 200 && signers(&answer).contains(&name)
}

#[test]
fn a_missing_key_is_an_outage_until_it_appears() {
    let standard = Standard::new();
    let builder = server().store(&standard.store);
    let key = builder.scratch().join("late.key");
    let server = builder.section(&format!("[signing]\nkeys = [{key:?}]")).start();
    assert_refusal(&server.get(&narinfo_of(&standard.tree)), 503);
    assert_refusal(&server.get("/readyz"), 503);
    assert_eq!(server.get("/healthz").status(), 200);
    assert_eq!(server.get("/nix-cache-info").status(), 200);
    let said = server.stderr();
    assert!(said.contains("late.key") && said.contains("key generate"), "{said}");

    write_key(&key, SECRET_KEY);
    until("signed with the new key", || signed_by(&server, &standard, "test-1"));
    assert_eq!(server.get("/readyz").status(), 200);
}

#[test]
fn a_key_that_everybody_can_read_is_used_once_its_mode_is_mended() {
    let standard = Standard::new();
    let builder = server().store(&standard.store);
    let key = builder.scratch().write("open.key", SECRET_KEY);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let server = builder.section(&format!("[signing]\nkeys = [{key:?}]")).start();
    assert_refusal(&server.get(&narinfo_of(&standard.tree)), 503);
    assert_logged(&server, "chmod 600");

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    until("signed", || signed_by(&server, &standard, "test-1"));
}

#[test]
fn a_key_that_is_replaced_signs_without_a_signal_and_a_broken_one_does_not() {
    let standard = Standard::new();
    let mut server = serve(&standard.store);
    let key = server.scratch().join("key-0");
    assert!(signed_by(&server, &standard, "test-1"));
    write_key(&key, OTHER_SECRET_KEY);
    until("signed with the other key", || signed_by(&server, &standard, "other-1"));

    write_key(&key, "nonsense");
    server.wait_for_line("the keys stay as they were");
    assert!(signed_by(&server, &standard, "other-1"));
    assert_eq!(server.get("/readyz").status(), 200);
}

#[test]
fn sighup_takes_other_keys_from_the_configuration() {
    let standard = Standard::new();
    let mut server = serve(&standard.store);
    let file = server.scratch().join("config.toml");
    let (before, second) =
        (fs::read_to_string(&file).unwrap(), server.scratch().join("second.key"));
    write_key(&second, OTHER_SECRET_KEY);
    fs::write(&file, before.replace("key-0", "second.key")).unwrap();
    assert!(signed_by(&server, &standard, "test-1"), "nothing happens before the signal");
    server.signal(Signal::HUP);
    server.wait_for_line("reloaded");
    let narinfo = server.get(&narinfo_of(&standard.tree));
    assert_eq!(signers(&narinfo).last(), Some(&"other-1"));
}

#[test]
fn a_bad_configuration_is_refused_and_everything_stays() {
    let standard = Standard::new();
    let mut server = serve(&standard.store);
    let file = server.scratch().join("config.toml");
    let before = fs::read_to_string(&file).unwrap();
    for (bad, complaint) in [
        (format!("{before}\n[signing2]\n"), "signing2"),
        (before.replace("key-0", "nowhere"), "nowhere"),
        ("listen = ".to_owned(), "config.toml"),
    ] {
        fs::write(&file, bad).unwrap();
        server.signal(Signal::HUP);
        server.wait_for_line(complaint);
        assert!(server.stderr().contains("everything stays as it was"));
        assert!(signed_by(&server, &standard, "test-1"));
        assert_eq!(server.get("/readyz").status(), 200);
    }
}

#[test]
fn a_configuration_that_is_cut_off_opens_no_cache() {
    let standard = Standard::new();
    let mut server = server().store(&standard.store).section("[access]\nanonymous = []").start();
    let file = server.scratch().join("config.toml");
    let before = fs::read_to_string(&file).unwrap();
    let (cut, _) = before.split_once("[access]").unwrap();
    let store = before.split_once("[store]").unwrap().1;
    fs::write(&file, format!("{cut}[store]\n{store}")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_line("reload refused");
    assert_logged(&server, "`access.anonymous` is not written");
    assert_refusal(&server.get("/nix-cache-info"), 401);

    fs::write(&file, before.replace("anonymous = []", "anonymous = [\"read\"]")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_line(" reloaded");
    server.get("/nix-cache-info").ok();
}

#[test]
fn a_configuration_that_is_being_written_is_waited_for() {
    let standard = Standard::new();
    let mut server = server().store(&standard.store).section("[access]\nanonymous = []").start();
    let file = server.scratch().join("config.toml");
    let new =
        fs::read_to_string(&file).unwrap().replace("[access]", "cache_info.priority = 7\n[access]");
    // The first half alone would be refused.
    let (head, tail) = new.split_at(new.find("anonymous").unwrap() + 5);
    let mut writing = fs::File::create(&file).unwrap();
    writing.write_all(head.as_bytes()).unwrap();
    server.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    writing.write_all(tail.as_bytes()).unwrap();
    drop(writing);
    server.wait_for_line(" reloaded");
    assert!(!server.stderr().contains("reload refused"), "{}", server.stderr());
}
