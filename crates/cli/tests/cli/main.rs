//! The program as people and scripts use it: its output, its files, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a surprise must fail the test where it happens")]

mod config;
mod inspect;
mod key;
mod pages;
mod secrecy;
mod serve;
mod token;

use std::{path::Path, process::Command, time::Duration};

use rns_testing::{Finished, run};

/// The program with nothing in its environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// The program's output and exit code for these arguments.
fn answer<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Finished {
    run(program().args(arguments), Duration::from_secs(120))
}

fn code(finished: &Finished) -> i32 {
    finished.status.code().unwrap()
}

/// Writes a secret key that only its owner can read.
fn write_key(path: &Path, key: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, key).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A throw-away key, and its public key.
const SECRET: &str = "test-1:TxYr32PPRzSsckW/L+v+DAueu9Aa538t8rwHPYpZZh160KIooFm05428G1z/4gRahkhEh91sf3YHe27vF/rgwQ==";
const PUBLIC: &str = "test-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";
