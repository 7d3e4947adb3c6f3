//! `rust-nix-serve push`: into this server, web servers, directories and buckets, judged by real Nix.

mod authorities;
mod ci;
mod documents;
mod faults;
mod filters;
mod hanging;
mod hidden_configuration;
mod liars;
mod messages;
mod pins;
mod plain_server;
mod progress;
mod question;
mod queue;
mod queue_status;
mod refusals;
mod socks;
mod targets;
mod watch;

use std::{path::Path, process::Command, time::Duration};

use rns_formats::StorePath;
use rns_testing::{Finished, FixtureStore, Nix, Standard, http::Request, run};

use crate::{
    support::{eventually, full, private::with_token},
    uploads::Pushable,
};

/// How long a push may take.
pub(crate) const PUSH_TIMEOUT: Duration = Duration::from_secs(300);

/// A command of the program, from the store of a fixture.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    command.args(arguments).env_remove("RUST_NIX_SERVE_TOKEN").env("NIX_CONF_DIR", "/nonexistent");
    command
}

/// Pushes paths of a fixture.
pub(crate) fn push(
    store: &FixtureStore,
    to: &str,
    paths: &[&StorePath],
    more: &[&str],
) -> Finished {
    let paths: Vec<String> = paths.iter().map(|path| full(path)).collect();
    let root = store.root().to_str().unwrap();
    let mut command = program(&["push", "--store", root, "--to", to]);
    run(command.args(more).args(paths), PUSH_TIMEOUT)
}

/// A fresh client takes the paths from a cache, and finds them whole.
#[track_caller]
pub(crate) fn assert_read(nix: &Nix, standard: &Standard, from: &str, paths: &[&StorePath]) {
    let client = nix.client();
    let names: Vec<String> = paths.iter().map(|path| full(path)).collect();
    let arguments = ["copy", "--no-check-sigs", "--from", from].map(str::to_owned);
    client.nix_command(arguments.into_iter().chain(names.clone())).success();
    let arguments = ["store", "verify", "--recursive", "--no-trust"].map(str::to_owned);
    client.nix_command(arguments.into_iter().chain(names)).success();
    for path in paths {
        assert!(client.dump(&client.real_path(path.as_str())) == standard.store.nar(path));
    }
}

/// The paths that most tests push: all kinds, one of them large.
pub(crate) fn several(standard: &Standard) -> [&StorePath; 5] {
    [&standard.itself, &standard.top, &standard.blob, &standard.special, &standard.bytes]
}

/// Where a path is on the disk of a fixture.
pub(crate) fn on_disk(store: &FixtureStore, path: &StorePath) -> std::path::PathBuf {
    Path::new(store.root()).join("nix/store").join(path.as_str())
}

/// Waits until the server has read its file of tokens again.
pub(crate) fn await_token(cache: &Pushable, token: &str) {
    let asked = || with_token(Request::new("POST", "/push/missing"), token);
    eventually(|| cache.server.connect().send(&asked()).status() != 401);
}
