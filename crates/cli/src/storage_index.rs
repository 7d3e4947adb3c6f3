//! The index of a storage, as the configuration names it: for servers and commands that write, and for those that only look.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use rns_storage::{
    index::{Index, IndexOwner, postgres::PostgresIndex, sqlite::SqliteIndex},
    objects::Objects,
};

use crate::config::{IndexConfig, StorageConfig};

/// The index of the storage. Its database is connected to when it is first used, and is refused then if it is of another
/// storage. An index that lies inside the directory is of this directory wherever that is.
///
/// # Errors
/// When the URL of the database cannot be read.
pub(crate) fn open_index(
    config: &StorageConfig,
    objects: &Objects,
) -> anyhow::Result<Arc<dyn Index>> {
    open_index_of(config, owner(config, objects, IndexOwner::This))
}

/// The same for a look: an index that is of no storage yet stays so.
///
/// # Errors
/// When the URL of the database cannot be read.
pub(crate) fn look_at_index(
    config: &StorageConfig,
    objects: &Objects,
) -> anyhow::Result<Arc<dyn Index>> {
    open_index_of(config, owner(config, objects, IndexOwner::ThisOrNone))
}

fn owner<'a>(
    config: &StorageConfig,
    objects: &'a Objects,
    owner: impl FnOnce(&'a Objects) -> IndexOwner<'a>,
) -> IndexOwner<'a> {
    let is_inside = match (&config.index, objects.directory()) {
        (IndexConfig::Sqlite(file), Some(directory)) => lies_in(file, directory),
        _ => false,
    };
    if is_inside { IndexOwner::Any } else { owner(objects) }
}

/// The index of the configuration, refused unless it is of this storage.
///
/// # Errors
/// When the URL of the database cannot be read.
pub(crate) fn open_index_of(
    config: &StorageConfig,
    owner: IndexOwner<'_>,
) -> anyhow::Result<Arc<dyn Index>> {
    Ok(match &config.index {
        IndexConfig::Sqlite(file) => {
            Arc::new(SqliteIndex::new(file.clone(), config.sync).owned_by(owner))
        }
        IndexConfig::Postgres(url) => {
            let index = PostgresIndex::new(url).context("cannot use index.url")?;
            Arc::new(index.owned_by(owner))
        }
    })
}

/// Whether a file, which may not be there yet, lies in a directory whose path has neither links nor dots.
fn lies_in(file: &Path, directory: &Path) -> bool {
    let there = file.ancestors().skip(1).find_map(|above| above.canonicalize().ok());
    there.is_some_and(|there| there.starts_with(directory))
}
