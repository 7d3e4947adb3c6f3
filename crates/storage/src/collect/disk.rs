//! The disk of a storage that is a directory.

use rns_cache::DiskSpace;
use rns_file_io::disk_space::disk_space;
use tokio::task::spawn_blocking;

use super::error::CollectError;
use crate::{objects::ObjectError, retention::Retention, write::Storage};

/// The bytes that the disk of a directory has free less than it should; 0 for buckets.
///
/// # Errors
/// When the disk cannot be asked.
pub async fn missing_on_disk(
    storage: &Storage,
    retention: &Retention,
) -> Result<u64, CollectError> {
    let Some(keep_free) = retention.keep_free else { return Ok(0) };
    Ok(disk_of(storage).await?.map_or(0, |space| keep_free.missing(space)))
}

/// The room on the disk of a directory. `None` for buckets.
///
/// # Errors
/// When the disk cannot be asked.
pub async fn disk_of(storage: &Storage) -> Result<Option<DiskSpace>, CollectError> {
    let Some(directory) = storage.reader().objects().directory() else { return Ok(None) };
    let path = directory.to_owned();
    let space = spawn_blocking(move || {
        disk_space(&path).map_err(|source| ObjectError::Directory {
            doing: "look at the disk of",
            path,
            source,
        })
    });
    Ok(Some(space.await.map_err(|_| CollectError::ShuttingDown)??))
}
