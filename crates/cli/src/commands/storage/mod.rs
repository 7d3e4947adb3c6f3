//! `storage`: commands for operators of a binary cache in a directory or bucket, also while it is served.

mod amounts;
mod delete;
mod gc;
mod log;
mod maintain;
pub(super) mod operator;
pub(super) mod owner;
mod report;
pub(super) mod unindexed;
mod why;

use std::sync::Arc;

use anyhow::Context as _;
use rns_storage::{
    read::StorageReader,
    write::{Nowhere, Storage, UploadLimits},
};

use crate::{
    args::{ServeArgs, StorageCommand, StoragePlace},
    backends::{open_index, open_storage},
    config::{self, Environment, Loaded, PassedSockets, StorageConfig},
    logging::{self, LogConfig, LogFormat},
    output::{Answer, tell},
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
            StorageCommand::Index { rebuild, same_storage, .. } => {
                if *same_storage {
                    maintain::same_storage(&reader(&loaded)?, configured(&loaded)?).await?;
                }
                match rebuild {
                    true => maintain::rebuild(&open(&loaded)?, place).await,
                    false => Ok(Answer::Yes),
                }
            }
            StorageCommand::Gc { dry_run, .. } => {
                let storage = open_known(&loaded).await?;
                let retention = &configured(&loaded)?.retention;
                match dry_run {
                    true => gc::dry_run(&storage, retention, place).await,
                    false => gc::run(&storage, retention, place).await,
                }
            }
            StorageCommand::Why { path, .. } => {
                let storage = open_known(&loaded).await?;
                why::run(&storage, path, &configured(&loaded)?.retention, place).await
            }
            StorageCommand::Delete { path, with_referrers, .. } => {
                let context = (&loaded.store.store_dir, environment);
                let storage = open_known(&loaded).await?;
                delete::run(&storage, path, *with_referrers, context, place).await
            }
            StorageCommand::Log { path, .. } => {
                let store_dir = &loaded.store.store_dir;
                let storage = open_known(&loaded).await?;
                log::run(&**storage.index(), path, store_dir, place.json).await
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

fn configured(loaded: &Loaded) -> anyhow::Result<&StorageConfig> {
    let storage = loaded.backends.storage.as_ref();
    storage.context("there is no storage: name one with --storage, or in storage.url")
}

fn reader(loaded: &Loaded) -> anyhow::Result<StorageReader> {
    let reader = open_storage(&loaded.backends, &loaded.store.store_dir)?;
    reader.context("there is no storage")
}

/// Opens the storage with its index, and says which one that is.
fn open(loaded: &Loaded) -> anyhow::Result<Storage> {
    let config = configured(loaded)?;
    let reader = reader(loaded)?;
    let index = open_index(config, reader.objects())?;
    let new = if unindexed::is_new(&config.index) { " (new)" } else { "" };
    tell(&format!("index: {}{new}", index.database()));
    Ok(Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default()))
}

/// The same for commands that are of use only where the index knows the storage.
async fn open_known(loaded: &Loaded) -> anyhow::Result<Storage> {
    let config = configured(loaded)?;
    unindexed::check(&reader(loaded)?, config).await?;
    open(loaded)
}
