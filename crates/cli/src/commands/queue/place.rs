//! The queue: its file, and the paths in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rns_formats::StorePath;
use rns_push::{Queue, become_owner};

use crate::{
    client_args::QueuePlace,
    config::{Environment, env::QUEUE_VARIABLE},
};

/// The file of root's queue, which the hook of the Nix daemon fills.
const SYSTEM_FILE: &str = "/var/lib/rust-nix-serve-queue/queue.sqlite";

/// The file that a flag or the environment names, else the usual one of this user.
pub(super) fn file(place: &QueuePlace, environment: &Environment) -> anyhow::Result<PathBuf> {
    let named = place.queue.clone().or_else(|| environment.get(QUEUE_VARIABLE).map(PathBuf::from));
    if let Some(named) = named {
        return Ok(named);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(SYSTEM_FILE.into());
    }
    let state = environment.get("XDG_STATE_HOME").map(PathBuf::from);
    let home = || environment.get("HOME").map(|home| Path::new(home).join(".local/state"));
    let state = state.or_else(home).context("name the queue with --queue: there is no HOME")?;
    Ok(state.join("rust-nix-serve/queue.sqlite"))
}

/// Opens the queue as the user whose queue it is.
pub(super) fn open(place: &QueuePlace, environment: &Environment) -> anyhow::Result<Queue> {
    let file = file(place, environment)?;
    become_owner(&file).context("cannot become the user whose queue it is")?;
    Ok(Queue::open(&file)?)
}

/// The store path of an argument or of `OUT_PATHS`, by its last name: the queue is of one store.
pub(super) fn base(path: &Path) -> anyhow::Result<StorePath> {
    let name = path.file_name().and_then(|name| name.to_str());
    let parsed = name.and_then(|name| StorePath::parse(name).ok());
    parsed.ok_or_else(|| anyhow!("{} is no store path", path.display()))
}
