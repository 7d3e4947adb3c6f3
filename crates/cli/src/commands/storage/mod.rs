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
    index::Index,
    read::StorageReader,
    write::{Storage, UploadLimits},
};

use crate::{
    args::{ServeArgs, StorageCommand, StoragePlace},
    backends::{elsewhere, open_storage},
    config::{self, Environment, Loaded, PassedSockets, StorageConfig},
    logging::{self, LogConfig, LogFormat},
    output::{CommandAnswer, tell},
    storage_index::{look_at_index, open_index},
};

/// Runs a command over a storage.
pub(super) fn run(
    command: &StorageCommand,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
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
                let names_no_upstream = configured(&loaded)?.assume_upstream.is_empty();
                let storage = if *repair { open(&loaded)? } else { looked_at(&loaded)? };
                maintain::verify(&storage, (*content, *repair), names_no_upstream, place).await
            }
            StorageCommand::Index { rebuild, same_storage, .. } => {
                if *same_storage {
                    maintain::same_storage(&reader(&loaded)?, configured(&loaded)?).await?;
                }
                match rebuild {
                    true => maintain::rebuild(&open(&loaded)?, place).await,
                    false => Ok(CommandAnswer::Yes),
                }
            }
            StorageCommand::Gc { dry_run: true, .. } => match look_at_known(&loaded).await? {
                Some(storage) => {
                    gc::dry_run(&storage, &configured(&loaded)?.retention, place).await
                }
                None => gc::nothing(place),
            },
            StorageCommand::Gc { dry_run: false, .. } => {
                let storage = open_known(&loaded).await?;
                gc::run(&storage, &configured(&loaded)?.retention, place).await
            }
            StorageCommand::Why { path, .. } => match look_at_known(&loaded).await? {
                Some(storage) => {
                    why::run(&storage, path, &configured(&loaded)?.retention, place).await
                }
                None => why::nothing(path),
            },
            StorageCommand::Delete { path, with_referrers, .. } => {
                let context = (&loaded.store.store_dir, environment);
                let storage = open_known(&loaded).await?;
                delete::run(&storage, path, *with_referrers, context, place).await
            }
            StorageCommand::Log { path, .. } => {
                let store_dir = &loaded.store.store_dir;
                match look_at_known(&loaded).await? {
                    Some(storage) => {
                        log::run(&**storage.index(), path, store_dir, place.json).await
                    }
                    None => log::nothing(path, place.json),
                }
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
    with_index(reader, index, loaded)
}

fn with_index(
    reader: StorageReader,
    index: Arc<dyn Index>,
    loaded: &Loaded,
) -> anyhow::Result<Storage> {
    let config = configured(loaded)?;
    let new = if unindexed::is_new(&config.index) { " (new)" } else { "" };
    tell(&format!("index: {}{new}", index.database()));
    // A path that clients have from there is no missing reference.
    let elsewhere = elsewhere(config, &loaded.store.store_dir)?;
    Ok(Storage::new(reader, index, elsewhere, UploadLimits::default()))
}

/// The same for commands that are of use only where the index knows the storage.
async fn open_known(loaded: &Loaded) -> anyhow::Result<Storage> {
    let config = configured(loaded)?;
    unindexed::check(&reader(loaded)?, config).await?;
    open(loaded)
}

/// The storage for commands that only look: an index that is of no storage yet stays so.
fn looked_at(loaded: &Loaded) -> anyhow::Result<Storage> {
    let (config, reader) = (configured(loaded)?, reader(loaded)?);
    let index = look_at_index(config, reader.objects())?;
    with_index(reader, index, loaded)
}

/// The same where the index knows the storage. `None`: there is neither an index nor a path.
async fn look_at_known(loaded: &Loaded) -> anyhow::Result<Option<Storage>> {
    let config = configured(loaded)?;
    unindexed::check(&reader(loaded)?, config).await?;
    if unindexed::is_new(&config.index) {
        tell("nothing was pushed to this storage yet: there is no index");
        return Ok(None);
    }
    looked_at(loaded).map(Some)
}
