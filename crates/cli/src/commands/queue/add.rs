//! `queue add`: Nix runs it after each build. It reads no configuration and waits for nothing but the file.

use std::path::{Path, PathBuf};

use rns_formats::StorePath;
use rns_push::Queue;

use super::place;
use crate::{
    client_args::QueuePlace,
    config::Environment,
    output::{Answer, in_words, tell},
};

/// Set by Nix for its post-build-hook: the outputs, with spaces between them.
const OUTPUTS_VARIABLE: &str = "OUT_PATHS";

/// Adds paths. A build must not fail because they cannot be pushed, so it is only told.
pub(super) fn run(paths: &[PathBuf], place: &QueuePlace, environment: &Environment) -> Answer {
    let outputs = environment.get(OUTPUTS_VARIABLE).unwrap_or_default();
    let outputs = outputs.split_ascii_whitespace().map(Path::new);
    let mut added: Vec<StorePath> = Vec::new();
    for path in paths.iter().map(PathBuf::as_path).chain(outputs) {
        match place::base(path) {
            Ok(path) => added.push(path),
            Err(error) => tell(&format!("rust-nix-serve: not queued: {error}")),
        }
    }
    let write = || {
        let file = place::file(place, environment)?;
        Ok::<_, anyhow::Error>(Queue::open(&file)?.add(&added, None)?)
    };
    if let Err(error) = write() {
        for path in &added {
            tell(&format!(
                "rust-nix-serve: {path} is not queued, and will not be pushed: {}",
                in_words(&error)
            ));
        }
    }
    Answer::Yes
}
