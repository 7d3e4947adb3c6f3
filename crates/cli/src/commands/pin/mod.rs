//! `pin`: roots, which keep paths with all that they refer to.

mod server;
mod shown;
mod storage;

pub(super) use self::server::{new_root, put};
use crate::{client_args::PinCommand, config::Environment, output::CommandAnswer};

/// Runs a command for roots: of the server that is named, or of the storage in the configuration.
pub(super) fn run(
    command: &PinCommand,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    match &command.place().to {
        Some(url) => server::run(command, url, environment),
        None => storage::run(command, environment),
    }
}
