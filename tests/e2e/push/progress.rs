//! The progress of a push: a bar on a terminal, a line for each path elsewhere.

use std::process::Command;

use rns_testing::{Finished, Standard, run};

use super::{PUSH_TIMEOUT, await_token, push, several};
use crate::{
    support::{full, is_installed, private::create},
    uploads::Pushable,
};

/// The sequence that takes the bar from its line.
const CLEARED: &str = "\r\x1b[K";

/// Pushes at a terminal, which `script` makes. Everything that the terminal is sent is on standard output.
fn push_at_terminal(standard: &Standard, to: &str, paths: &[String], more: &str) -> Finished {
    let (program, root) = (env!("CARGO_BIN_EXE_rust-nix-serve"), standard.store.root().display());
    let paths = paths.join(" ");
    let line = format!("'{program}' push --store '{root}' --to '{to}' {more} {paths}");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env_remove("RUST_NIX_SERVE_TOKEN").env("NIX_CONF_DIR", "/nonexistent");
    run(&mut command, PUSH_TIMEOUT)
}

#[test]
fn a_terminal_has_a_bar_that_goes_before_the_summary() {
    if !is_installed("script") {
        return;
    }
    let (standard, cache) = (Standard::new(), Pushable::new());
    let paths = several(&standard).map(full);
    let shown = push_at_terminal(&standard, &cache.url(), &paths, "").success().text();
    assert!(shown.contains("\r[------------------------] 0 of "), "{shown:?}");
    let (_, end) = shown.rsplit_once(CLEARED).unwrap();
    assert!(end.contains(" pushed (") && !end.contains('['), "{shown:?}");
    assert!(!shown.contains("pushed /nix/store/"), "{shown:?}");

    // A push that has nothing to send shows no bar, and a quiet one nothing at all.
    let shown = push_at_terminal(&standard, &cache.url(), &paths, "").success().text();
    assert!(shown.contains("0 paths pushed") && !shown.contains('#'), "{shown:?}");
    let shown = push_at_terminal(&standard, &cache.url(), &paths, "--quiet").success().text();
    assert_eq!(shown, "");
}

#[test]
fn a_failure_has_a_line_of_its_own_on_a_terminal() {
    if !is_installed("script") {
        return;
    }
    let (standard, cache) = (Standard::new(), Pushable::new());
    let token = create(&cache.tokens, "some", &["--allow", "push", "--paths", "*.txt"]);
    await_token(&cache, &token);
    let to = cache.server.url().replace("://", &format!("://ci:{token}@"));
    for flag in ["", "--json"] {
        let paths = [full(&standard.executable)];
        let done = push_at_terminal(&standard, &to, &paths, flag);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        let shown = done.text();
        let failure = if flag.is_empty() { "was not pushed" } else { "\"failed\"" };
        let lines: Vec<&str> = shown.lines().filter(|line| line.contains(failure)).collect();
        assert!(!lines.is_empty(), "{shown:?}");
        for line in lines {
            // The part that stays visible begins after the last removal of the bar.
            let visible = line.rsplit(CLEARED).next().unwrap();
            assert!(visible.starts_with(['/', '{']), "{shown:?}");
        }
    }
}

#[test]
fn anything_but_a_terminal_has_plain_lines() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let done = push(&standard.store, &cache.url(), &several(&standard), &[]).success();
    let text = done.text();
    assert!(text.lines().all(|line| line.starts_with("pushed /nix/store/")), "{text:?}");
    assert!(text.contains(&full(&standard.blob)), "{text:?}");
    assert!(!(text + &done.stderr).contains(['\r', '\x1b']), "{done:?}");
}
