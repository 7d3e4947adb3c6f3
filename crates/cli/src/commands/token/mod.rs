//! `token create`, `list`, `revoke` and `check`.

mod check;
mod create;
mod edit;
mod list;
mod revoke;
mod token_file;

use crate::{args::TokenCommand, config::Environment, output::CommandAnswer};

/// Makes and looks after tokens.
pub(super) fn run(
    command: &TokenCommand,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    rns_server::keep_secrets();
    match command {
        TokenCommand::Create { name, allow, expires, paths, place } => {
            let wish = create::NewToken::parse(name, allow, expires, paths.as_deref())?;
            create::run(wish, &token_file::find(place, environment)?)
        }
        TokenCommand::List { place } => list::run(token_file::find(place, environment)?.file()?),
        TokenCommand::Revoke { name, place } => {
            revoke::run(name, token_file::find(place, environment)?.file()?)
        }
        TokenCommand::Check { place } => check::run(token_file::find(place, environment)?.file()?),
    }
}
