//! The units in the documents, as systemd reads them and as they run.

use std::{fs, process::Command, time::Duration};

use rns_testing::{Process, Scratch, Standard, run};

use super::documents::{blocks_of, project};
use crate::{
    support::{full, is_installed, narinfo_of, within},
    uploads::Pushable,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rust-nix-serve");

/// Where the documents have the program.
const USUAL_PROGRAM: &str = "/usr/local/bin/rust-nix-serve";

/// The units of the documents by name, with the program of the tests.
fn units() -> Vec<(String, String)> {
    let named = blocks_of("ini").into_iter().filter_map(|block| {
        let place = block.text.lines().next()?.strip_prefix("# /etc/systemd/system/")?;
        Some((place.to_owned(), block.text.replace(USUAL_PROGRAM, PROGRAM)))
    });
    named.collect()
}

#[test]
fn systemd_finds_no_fault_in_them() {
    let units = units();
    assert!(units.len() >= 3, "{units:?}");
    if !is_installed("systemd-analyze") {
        return;
    }
    let scratch = Scratch::new();
    let files: Vec<_> = units.iter().map(|(name, text)| scratch.write(name, text)).collect();
    let mut command = Command::new("systemd-analyze");
    command.env("SYSTEMD_UNIT_PATH", format!("{}:", scratch.path().display()));
    command.args(["verify", "--man=no", "--recursive-errors=no"]).args(files);
    let done = run(&mut command, Duration::from_secs(60));
    let said = format!("{}{}", done.text(), done.stderr);
    // Of other units of this machine nothing is said here. One that is older than 253 does not know `notify-reload`.
    let faults = said.lines().filter(|line| line.contains("rust-nix-serve"));
    let faults: Vec<_> = faults.filter(|line| !line.contains("notify-reload")).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_service_of_a_client_pushes_what_its_hook_adds() {
    let (standard, cache, scratch) = (Standard::new(), Pushable::new(), Scratch::new());
    let units = units();
    let (_, unit) = units.iter().find(|(name, _)| name == "rust-nix-serve-push.service").unwrap();
    let unit = unit.replace("\\\n", " ");
    let of = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let token = scratch.write("token", &cache.token);
    let here = |text: &str| {
        let state = scratch.path().display().to_string();
        text.replace("/var/lib/rust-nix-serve-queue", &state)
            .replace("https://cache.example.org", cache.server.url())
            .replace("/etc/nix/push-token", token.to_str().unwrap())
    };
    let environment = here(of("Environment="));
    let environment: Vec<_> =
        environment.split(' ').map(|word| word.split_once('=').unwrap()).collect();
    let command = here(of("ExecStart="));
    let mut words = command.split_whitespace();
    let mut daemon = Command::new(words.next().unwrap());
    daemon.args(words).envs(environment.iter().copied()).env_remove("RUST_NIX_SERVE_TOKEN");
    daemon.env("RUST_NIX_SERVE_STORE_ROOT", standard.store.root());
    let _daemon = Process::start(&mut daemon);

    let page = fs::read_to_string(project().join("docs/client.md")).unwrap();
    let paste = page.split("```").find(|block| block.starts_with("sh\ncat > /etc/nix/push-hook"));
    let paste = paste.unwrap().trim_start_matches("sh\n").replace(USUAL_PROGRAM, PROGRAM);
    let hook = scratch.join("push-hook");
    let paste = paste.replace("/etc/nix", scratch.path().to_str().unwrap());
    // The last line of another has no end.
    fs::write(scratch.join("nix.conf"), "max-jobs = 3").unwrap();
    run(Command::new("sh").args(["-e", "-c", &paste]), Duration::from_secs(60)).success();
    let conf = fs::read_to_string(scratch.join("nix.conf")).unwrap();
    assert_eq!(conf, format!("max-jobs = 3\npost-build-hook = {}\n", hook.display()));
    // Its queue is the one that root has without being told.
    let mut build = Command::new(&hook);
    build.envs(environment.iter().copied()).env("OUT_PATHS", full(&standard.top));
    run(&mut build, Duration::from_secs(60)).success();
    within(Duration::from_secs(60), || {
        cache.server.get(&narinfo_of(&standard.top)).status() == 200
    });
}

#[test]
fn the_service_of_a_client_has_the_queue_that_root_has_unasked() {
    let units = units();
    let (_, unit) = units.iter().find(|(name, _)| name == "rust-nix-serve-push.service").unwrap();
    let place = fs::read_to_string(project().join("crates/cli/src/commands/queue/place.rs"));
    let place = place.unwrap();
    let usual = place.split('"').find(|text| text.ends_with("/queue.sqlite")).unwrap();
    assert!(unit.contains(&format!("RUST_NIX_SERVE_QUEUE={usual} ")), "{usual}\n{unit}");
}
