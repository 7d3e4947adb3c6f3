//! `ls`, `cat` and `dump`: a store path as a client of the server would get it.
//!
//! They ask the store as the server does, so a path that they cannot show is not served either.

mod ls;
mod path_in_store;
mod send;

use std::path::Path;

use anyhow::Context as _;
use rns_nix_store::{LocalStore, Nar};

pub(super) use self::{
    ls::run as ls,
    path_in_store::PathInStore,
    send::{cat, dump},
};
use crate::{
    args::{ServeArgs, StoreArgs},
    config::{self, Environment},
    logging::{self, LogConfig, LogFormat},
    output::{CommandAnswer, tell},
};

/// A path that was found, with everything that is needed to read from it.
struct InspectedPath {
    store: LocalStore,
    nar: Nar,
    place: PathInStore,
}

/// Finds `path` in the configured store and does `work` with it; a path that is not valid there is a negative answer.
fn with_path<F: Future<Output = anyhow::Result<CommandAnswer>>>(
    path: &Path,
    args: &StoreArgs,
    environment: &Environment,
    work: impl FnOnce(InspectedPath) -> F,
) -> anyhow::Result<CommandAnswer> {
    let serve = ServeArgs {
        config: args.config.clone(),
        store: args.store.clone(),
        ..ServeArgs::default()
    };
    let config = config::load_for_client(&serve, environment)?.store;
    // The store logs why it does not serve a path.
    let log = LogConfig { level: "warn".to_owned(), format: LogFormat::Text };
    let (_, _flush) = logging::start(&log)?;
    let place = PathInStore::parse(path, &config.store_dir)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let store = LocalStore::open(config);
        let info = store.path_info(place.hash).await?;
        let registered =
            info.is_some_and(|info| place.base.as_ref().is_none_or(|base| *base == info.path));
        if !registered {
            tell(&format!("{} is not valid in this store", path.display()));
            return Ok(CommandAnswer::No);
        }
        match store.nar(place.hash, None).await? {
            Some(nar) => work(InspectedPath { store, nar, place }).await,
            None => {
                tell(&format!("{} is registered, but not served", path.display()));
                Ok(CommandAnswer::No)
            }
        }
    })
}

/// Says that something is not inside the path.
fn nothing_there(place: &PathInStore) -> CommandAnswer {
    tell(&format!("there is no {} in that store path", place.inside_text()));
    CommandAnswer::No
}
