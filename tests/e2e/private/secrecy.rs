//! Secrets do not leave the places where they belong.

use std::{fs, os::unix::fs::MetadataExt as _, process::Command, time::Duration};

use rns_testing::Standard;

use crate::{
    support::private::{Private, UNKNOWN, basic, create, get_with, private},
    support::{narinfo_of, server},
};

#[test]
fn memory_is_in_no_core_dump_and_not_to_be_read_by_the_same_user() {
    let standard = Standard::new();
    let server = server().store(&standard.store).unprivileged().start();
    // The kernel gives the files of a process that may not be dumped to root.
    let environment = fs::metadata(format!("/proc/{}/environ", server.id())).unwrap();
    assert_eq!(environment.uid(), 0);
    // It reads its own numbers all the same.
    assert!(server.get("/metrics").text().contains("process_open_fds"));
    assert!(server.open_files() > 0);
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap();
    assert!(!user.starts_with("0\t"), "not running as root: {user}");
}

#[test]
fn no_log_shows_a_token() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, "anonymous = []\nfailure_delay = \"0s\"");
    let token = create(&file, "ci", &[]);
    let server = builder.section("[log]\nlevel = \"trace\"").start();
    get_with(&server, &token, &narinfo_of(&standard.tree)).ok();
    assert_eq!(get_with(&server, UNKNOWN, "/nix-cache-info").status(), 401);
    assert_eq!(get_with(&server, "password", "/nix-cache-info").status(), 401);
    let said = server.stderr();
    assert!(said.contains("wrong credential"), "{said}");
    for secret in [&*token, UNKNOWN, "password"] {
        let sent = basic("reader", secret);
        assert!(
            !said.contains(secret) && !said.contains(sent.trim_start_matches("Basic ")),
            "{said}"
        );
    }
    let line = fs::read(format!("/proc/{}/cmdline", server.id())).unwrap();
    assert!(!String::from_utf8_lossy(&line).contains("rns_"));
}

#[test]
fn the_configuration_that_is_shown_has_names_of_files_only() {
    let private = Private::new();
    let file = private.server.scratch().join("config.toml");
    let mut program = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    let shown = program.args(["config", "show", "--config"]).arg(&file);
    let shown = rns_testing::run(shown, Duration::from_secs(20)).success().text();
    assert!(shown.contains("access.tokens = "), "{shown}");
    let digest = fs::read_to_string(&private.file).unwrap();
    let digest = digest.split("sha256:").nth(1).unwrap().get(..64).unwrap();
    assert!(!shown.contains(&private.token) && !shown.contains(digest), "{shown}");
    assert!(!shown.contains("TxYr32PP"), "no signing key either");
}
