//! `queue retry` and `drop`.

use std::path::PathBuf;

use super::place::{self, open};
use crate::{
    client_args::QueuePlace,
    config::Environment,
    output::{CommandAnswer, counted, print},
};

/// Has everything tried soon.
pub(super) fn retry(
    place: &QueuePlace,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let count = open(place, environment)?.retry()?;
    print(&format!("tried soon: {}\n", counted(count as u64, "path")))?;
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
