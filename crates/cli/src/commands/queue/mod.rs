//! `queue` and `watch-store`: paths wait on disk until they are pushed.

mod add;
mod daemon;
mod drain;
mod edit;
mod place;
mod service_manager;
mod status;

use crate::{
    client_args::{QueueCommand, WatchArgs},
    config::Environment,
    output::CommandAnswer,
};

/// Runs a command of the queue.
pub(super) fn run(
    command: &QueueCommand,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    match command {
        QueueCommand::Add { paths, place } => Ok(add::run(paths, place, environment)),
        QueueCommand::Status { json, place } => status::run(*json, place, environment),
        QueueCommand::Retry { place } => edit::retry(place, environment),
        QueueCommand::Drop { paths, failing, all: _, place } => {
            edit::drop_paths(paths, *failing, place, environment)
        }
        QueueCommand::Drain(args) => drain::run(args, environment),
        QueueCommand::Run(args) => daemon::run(args, None, environment),
    }
}

/// Watches the store, and pushes new paths.
pub(super) fn watch_store(
    args: &WatchArgs,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    daemon::run(&args.drain, Some(args.existing), environment)
}
