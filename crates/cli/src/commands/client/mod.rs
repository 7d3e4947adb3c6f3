//! The store, the credential and the caches of a client, which all of its commands share.

mod credential;
mod nix_conf;
mod target;

use anyhow::Context as _;
use rns_nix_store::{LocalStore, StoreConfig};

pub(super) use self::{
    credential::{credential, is_explicit},
    target::{cache_client, check_target, push_target, upstreams},
};
use crate::{
    args::{ServeArgs, StoreArgs},
    config::{self, Environment, PassedSockets},
};

/// The local store that a client pushes from.
pub(super) fn store_config(
    args: &StoreArgs,
    environment: &Environment,
) -> anyhow::Result<StoreConfig> {
    let serve = ServeArgs {
        config: args.config.clone(),
        store: args.store.clone(),
        ..ServeArgs::default()
    };
    Ok(config::load(&serve, environment, PassedSockets::Unknown)?.store)
}

/// Opens the local store, and says why if it cannot be read.
pub(super) fn open_store(config: StoreConfig) -> anyhow::Result<LocalStore> {
    let store = LocalStore::open(config);
    store.readable_blocking().context("the local store cannot be read")?;
    Ok(store)
}
