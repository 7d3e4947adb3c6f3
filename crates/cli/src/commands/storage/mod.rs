//! `storage`: commands for operators of a binary cache in a directory or bucket, also while it is served.

mod amounts;
mod delete;
mod gc;
mod log;
mod maintain;
pub(super) mod operator;
pub(super) mod owner;
mod report;
mod why;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use rns_storage::{
    index::Index,
    retention::Retention,
    write::{Nowhere, Storage, UploadLimits},
};

use crate::{
    args::{ServeArgs, StorageCommand, StoragePlace},
    backends::{open_index, open_storage},
    config::{self, Environment, Loaded, PassedSockets},
    logging::{self, LogConfig, LogFormat},
    output::Answer,
};

/// Runs a command over a storage.
pub(super) fn run(command: &StorageCommand, environment: &Environment) -> anyhow::Result<Answer> {
    let (StorageCommand::Adopt { place }
    | StorageCommand::Sign { place, .. }
    | StorageCommand::Verify { place, .. }
    | StorageCommand::Index { place, .. }
    | StorageCommand::Gc { place, .. }
    | StorageCommand::Why { place, .. }
    | StorageCommand::Delete { place, .. }
    | StorageCommand::Log { place, .. }) = command;
    let loaded = load(place, environment)?;
    // The storage logs which object it cannot use, and why.
    let log = LogConfig { level: "warn".to_owned(), format: LogFormat::Text };
    let (_, _flush) = logging::start(&log)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        match command {
            StorageCommand::Adopt { .. } => maintain::adopt(&open(&loaded)?, place).await,
            StorageCommand::Sign { signing_key, .. } => {
                maintain::sign(&open(&loaded)?, &loaded, signing_key, place).await
            }
            StorageCommand::Verify { content, repair, .. } => {
                maintain::verify(&open(&loaded)?, *content, *repair, place).await
            }
            StorageCommand::Index { rebuild: _, .. } => {
                maintain::rebuild(&open(&loaded)?, place).await
            }
            StorageCommand::Gc { dry_run, .. } => {
                let (storage, retention) = (open(&loaded)?, retention(&loaded)?);
                match dry_run {
                    true => gc::dry_run(&storage, retention, place).await,
                    false => gc::run(&storage, retention, place).await,
                }
            }
            StorageCommand::Why { path, .. } => {
                let (index, retention) = (index(&loaded)?, retention(&loaded)?);
                why::run(&*index, path, &loaded.store.store_dir, retention, place).await
            }
            StorageCommand::Delete { path, with_referrers, .. } => {
                let context = (&loaded.store.store_dir, environment);
                delete::run(&open(&loaded)?, path, *with_referrers, context, place).await
            }
            StorageCommand::Log { path, .. } => {
                let store_dir = &loaded.store.store_dir;
                log::run(&*index(&loaded)?, path, store_dir, place.json).await
            }
        }
    })
}

fn load(place: &StoragePlace, environment: &Environment) -> anyhow::Result<Loaded> {
    let serve = ServeArgs {
        config: place.config.clone(),
        storage: place.storage.clone(),
        ..ServeArgs::default()
    };
    let loaded = config::load(&serve, environment, PassedSockets::Unknown)?;
    if let Some(storage) = &loaded.backends.storage {
        owner::check(&storage.url)?;
    }
    Ok(loaded)
}

fn index(loaded: &Loaded) -> anyhow::Result<Arc<dyn Index>> {
    match &loaded.backends.storage {
        Some(storage) => open_index(storage),
        None => bail!("there is no storage: name one with --storage, or in storage.url"),
    }
}

fn retention(loaded: &Loaded) -> anyhow::Result<&Retention> {
    loaded
        .backends
        .storage
        .as_ref()
        .map(|storage| &storage.retention)
        .context("there is no storage")
}

fn open(loaded: &Loaded) -> anyhow::Result<Storage> {
    let index = index(loaded)?;
    let reader = open_storage(&loaded.backends, &loaded.store.store_dir)?;
    let reader = reader.context("there is no storage")?;
    Ok(Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default()))
}
