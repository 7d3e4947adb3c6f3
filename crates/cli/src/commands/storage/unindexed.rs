//! Commands beside a storage whose index knows nothing: mostly that is not the index that the server has.

use anyhow::bail;
use rns_storage::{
    maintenance::{has_paths, is_index_empty},
    read::StorageReader,
    write::{Nowhere, Storage, UploadLimits},
};
use std::sync::Arc;

use crate::{
    config::{IndexConfig, StorageConfig},
    storage_index::look_at_index,
};

/// Whether the index would be made by its first use.
pub(in crate::commands) fn is_new(index: &IndexConfig) -> bool {
    matches!(index, IndexConfig::Sqlite(file) if !file.exists())
}

/// Refuses an index that knows no path of a storage which has some: all answers from it would be wrong. No new one is made.
///
/// # Errors
/// Also when storage or index cannot be used.
pub(in crate::commands) async fn check(
    reader: &StorageReader,
    config: &StorageConfig,
) -> anyhow::Result<()> {
    let index = look_at_index(config, reader.objects())?;
    let name = index.database();
    let found = if is_new(&config.index) {
        has_paths(reader).await?.then(|| format!("there is no index {name}"))
    } else {
        let limits = UploadLimits::default();
        let storage = Storage::new(reader.clone(), index, Arc::new(Nowhere), limits);
        is_index_empty(&storage).await?.then(|| format!("the index {name} knows no path"))
    };
    let Some(found) = found else { return Ok(()) };
    bail!(
        "{found}, and {} has paths. The server has another index: name it in index.url (a unit of systemd has index.sqlite \
         in its STATE_DIRECTORY). Or there is none: `rust-nix-serve storage index --rebuild` makes it",
        reader.objects()
    )
}
