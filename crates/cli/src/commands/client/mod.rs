//! The store, the credential and the caches of a client, which all of its commands share.

mod credential;
mod target;

use anyhow::Context as _;
use rns_nix_store::{LocalStore, StoreConfig};

pub(super) use self::{
    credential::{credential, is_explicit},
    target::{ca_file, cache_client, check_target, push_target, upstreams, without_login},
};
use crate::{
    args::{ServeArgs, StoreArgs},
    config::{self, Environment, Loaded},
};

/// The local store that a client pushes from.
pub(super) fn store_config(
    args: &StoreArgs,
    environment: &Environment,
) -> anyhow::Result<StoreConfig> {
    Ok(load(args, environment)?.store)
}

/// Opens the local store, and says why if it cannot be read.
pub(super) fn open_store(
    args: &StoreArgs,
    environment: &Environment,
) -> anyhow::Result<LocalStore> {
    let loaded = load(args, environment)?;
    let store = LocalStore::open(loaded.store);
    store.readable_blocking().with_context(|| match &loaded.refused_file {
        Some(file) => format!(
            "the local store cannot be read; {} may name another one, and this user may not read it",
            file.display()
        ),
        None => "the local store cannot be read".to_owned(),
    })?;
    Ok(store)
}

fn load(args: &StoreArgs, environment: &Environment) -> anyhow::Result<Loaded> {
    let serve = ServeArgs {
        config: args.config.clone(),
        store: args.store.clone(),
        ..ServeArgs::default()
    };
    let loaded = config::load_for_client(&serve, environment)?;
    if let Some(file) = &loaded.refused_file {
        tracing::debug!("{} is not for this user, and is left out", file.display());
    }
    Ok(loaded)
}
