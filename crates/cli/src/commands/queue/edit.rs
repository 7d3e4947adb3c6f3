//! `queue retry` and `drop`.

use std::path::PathBuf;

use super::place::{self, open};
use crate::{
    client_args::QueuePlace,
    config::Environment,
    output::{self, CommandAnswer, counted, print},
};

/// Has everything tried soon.
pub(super) fn retry(
    place: &QueuePlace,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let queue = open(place, environment)?;
    let has_outage = queue.outage()?.is_some();
    queue.retry()?;
    let waiting = queue.status()?.waiting;
    let next = match (waiting, queue.has_daemon()?, has_outage) {
        (0, _, _) => "",
        (_, true, true) => ": the daemon ends its pause and tries now",
        (_, true, false) => ": the daemon tries now",
        (_, false, _) => ": no daemon pushes, `rust-nix-serve queue drain --to URL` does",
    };
    print(&format!("{}{next}\n", output::waiting(waiting)))?;
    Ok(CommandAnswer::Yes)
}

/// Takes paths out; without any, all, or those that have failed.
pub(super) fn drop_paths(
    paths: &[PathBuf],
    failing: bool,
    place: &QueuePlace,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let queue = open(place, environment)?;
    let count = if paths.is_empty() {
        queue.drop_all(failing)?
    } else {
        let paths: Vec<_> = paths.iter().map(|path| place::base(path)).collect::<Result<_, _>>()?;
        queue.drop_paths(&paths)?
    };
    print(&format!("taken out: {}\n", counted(count as u64, "path")))?;
    Ok(if paths.is_empty() || count == paths.len() {
        CommandAnswer::Yes
    } else {
        CommandAnswer::No
    })
}
