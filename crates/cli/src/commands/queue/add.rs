//! `queue add`: Nix runs it after each build, which waits for it. It reads no configuration, and makes no runtime and no
//! connection.

use std::path::{Path, PathBuf};

use rns_formats::StorePath;
use rns_push::add_from_hook;

use super::place;
use crate::{
    client_args::QueuePlace,
    config::Environment,
    output::{CommandAnswer, in_words, tell},
};

/// Set by Nix for its post-build-hook: the outputs, with spaces between them.
const OUTPUTS_VARIABLE: &str = "OUT_PATHS";

/// Adds paths. A build must not fail because they cannot be pushed, so it is only told.
pub(super) fn run(
    paths: &[PathBuf],
    place: &QueuePlace,
    environment: &Environment,
) -> CommandAnswer {
    let outputs = environment.get(OUTPUTS_VARIABLE).unwrap_or_default();
    let outputs = outputs.split_ascii_whitespace().map(Path::new);
    let mut added: Vec<StorePath> = Vec::new();
    for path in paths.iter().map(PathBuf::as_path).chain(outputs) {
        match place::base(path) {
            Ok(path) => added.push(path),
            Err(error) => tell(&format!("rust-nix-serve: not queued: {error}")),
        }
    }
    if added.is_empty() {
        return CommandAnswer::Yes;
    }
    let write = || {
        let file = place::file(place, environment)?;
        Ok::<_, anyhow::Error>(add_from_hook(&file, &added)?)
    };
    if let Err(error) = write() {
        let names: Vec<&str> = added.iter().map(StorePath::as_str).collect();
        tell(&format!(
            "rust-nix-serve: not queued, and will not be pushed: {}: {}",
            names.join(", "),
            in_words(&error)
        ));
    }
    CommandAnswer::Yes
}
