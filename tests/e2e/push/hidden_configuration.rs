//! Commands of clients on a machine that is a server as well, whose configuration is for the server alone.

use std::{path::Path, process::Command};

use rns_testing::{Finished, Standard, run};

use super::PUSH_TIMEOUT;
use crate::{
    support::{full, is_installed, tls::given},
    uploads::Pushable,
};

/// The file where it usually is.
const USUAL: &str = "/etc/rust-nix-serve/config.toml";

/// Runs the program where nothing but that file is in `/etc`, and may not be read: without capabilities, root is a user
/// like others. `None` where the machine lets no test do that.
fn run_beside_it(arguments: &[&str], home: &Path) -> Option<Finished> {
    if !is_installed("unshare") || !is_installed("setpriv") {
        return None;
    }
    let script = format!(
        "mount -t tmpfs none /etc && mkdir /etc/rust-nix-serve && echo '[store]' > {USUAL} && \
         chmod 000 {USUAL} && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\""
    );
    let shell = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", &script, "sh", program]);
        command.env_remove("RUST_NIX_SERVE_TOKEN").env_remove("NIX_SSL_CERT_FILE");
        command.env("HOME", home).env("USER", "root");
        command.env("NIX_CONFIG", "substituters =").env("SSL_CERT_FILE", given("ca.crt"));
        command
    };
    if !shell("true").status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine lets no test hide files");
        return None;
    }
    Some(run(shell(env!("CARGO_BIN_EXE_rust-nix-serve")).args(arguments), PUSH_TIMEOUT))
}

#[test]
fn clients_go_on_without_a_file_that_is_for_the_server() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let home = rns_testing::Scratch::new();
    let root = standard.store.root().to_str().unwrap();
    let (url, path) = (cache.url(), full(&standard.top));
    let push = ["push", "--store", root, "--to", &url, &path];
    let Some(pushed) = run_beside_it(&push, home.path()) else { return };
    pushed.success();
    let run = |arguments: &[&str]| run_beside_it(arguments, home.path()).unwrap();
    run(&["ls", "--store", root, &path]).success();
    let looked = run(&["doctor", &url, "--store", root, "--path", &path]);
    assert!(matches!(looked.status.code(), Some(0 | 1 | 4)), "{looked:?}");
    // Without a URL it would look at the server as well.
    let looked = run(&["doctor", "--store", root]);
    assert!(looked.text().contains(&format!("{USUAL} is not for this user")), "{looked:?}");
    // A file that is named must be readable, and a command about the server needs it.
    for arguments in [&[&push[..], &["-c", USUAL]].concat(), &vec!["storage", "verify"]] {
        let refused = run(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains(USUAL), "{}", refused.stderr);
    }
}

#[test]
fn a_store_that_is_not_there_may_be_named_in_the_hidden_file() {
    let home = rns_testing::Scratch::new();
    let cache = Pushable::new();
    let path = "/nix/store/00000000000000000000000000000000-x";
    let arguments = ["push", "--to", &cache.url(), "--store", "/nonexistent", path];
    let Some(refused) = run_beside_it(&arguments, home.path()) else { return };
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.stderr.contains(&format!("{USUAL} may name another one")), "{refused:?}");
}
