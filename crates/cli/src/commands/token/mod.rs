//! `token create`, `list`, `revoke` and `check`.

mod check;
mod create;
mod edit;
mod list;
mod place;
mod revoke;

use crate::{args::TokenCommand, config::Environment, output::Answer};

/// Makes and looks after tokens.
pub(super) fn run(command: &TokenCommand, environment: &Environment) -> anyhow::Result<Answer> {
    rns_server::keep_secrets();
    match command {
        TokenCommand::Create { name, allow, expires, paths, place } => {
            let wish = create::Wish::parse(name, allow, expires, paths.as_deref())?;
            create::run(wish, &place::find(place, environment)?)
        }
        TokenCommand::List { place } => list::run(place::find(place, environment)?.file()?),
        TokenCommand::Revoke { name, place } => {
            revoke::run(name, place::find(place, environment)?.file()?)
        }
        TokenCommand::Check { place } => check::run(place::find(place, environment)?.file()?),
    }
}
