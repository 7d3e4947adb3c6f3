//! Bringing an index up to date with its storage: after a loss, or when a cache that was there before is adopted.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _};
use rns_formats::HashPart;
use tokio::time::sleep;

use super::{MaintenanceError, ProgressObserver, documents::find_documents, roots, scan};
use crate::{
    objects::ObjectError,
    read::StorageReader,
    write::{Storage, imported},
};

/// How often it is looked whether a collection has ended.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Paths that are entered by one transaction.
const INDEXED_PATHS_BATCH: usize = 256;

/// The counts of entered objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Paths that are in the index now.
    pub paths: u64,
    /// Paths of the index whose narinfo is gone, which were taken out.
    pub removed: u64,
    /// Roots that are in the index now.
    pub roots: u64,
    /// Narinfos and roots that nothing can be made of.
    pub unusable: u64,
}

/// Enters every path, document and root of the storage into the index, and takes out those that are not there.
///
/// Paths that are indexed already keep their records. No collection goes on meanwhile: one that runs is waited for.
///
/// # Errors
/// When storage or index cannot be used.
pub async fn rebuild_index(
    storage: &Storage,
    progress: ProgressObserver<'_>,
) -> Result<Indexed, MaintenanceError> {
    // Paths are read some time before they are entered: a collection would remove one in between.
    let mut is_told = false;
    let _lock = loop {
        if let Some(lock) = storage.index().lock_collection().await? {
            break lock;
        }
        if !is_told {
            tracing::warn!("a collection is going on: its end is waited for");
            is_told = true;
        }
        sleep(LOCK_POLL_INTERVAL).await;
    };
    rebuild_index_locked(storage, progress).await
}

/// The same for a collector, which has the lock of collections.
pub(crate) async fn rebuild_index_locked(
    storage: &Storage,
    progress: ProgressObserver<'_>,
) -> Result<Indexed, MaintenanceError> {
    let (reader, index) = (storage.reader(), storage.index());
    let mut done = Indexed::default();
    let (mut batch, mut present) = (Vec::with_capacity(INDEXED_PATHS_BATCH), BTreeSet::new());
    let mut found = pin!(scan::narinfos(reader, progress));
    while let Some(found) = found.next().await {
        let found = found?;
        // One that cannot be read is not gone.
        if !matches!(found.narinfo, Ok(None)) {
            present.insert(found.hash);
        }
        match found.narinfo {
            Ok(Some(stored)) => match imported(&stored.narinfo, found.stored) {
                Some(path) => batch.push(path),
                None => {
                    tracing::warn!(path = %stored.narinfo.store_path, "its NAR is not in this storage: {}", stored.narinfo.url);
                    done.unusable += 1;
                }
            },
            Ok(None) => {}
            Err(error) => {
                tracing::warn!("{error}");
                done.unusable += 1;
            }
        }
        if batch.len() == INDEXED_PATHS_BATCH {
            index.import(&batch).await?;
            done.paths += batch.len() as u64;
            batch.clear();
        }
    }
    index.import(&batch).await?;
    done.paths += batch.len() as u64;
    // Before anything is taken out: it may be needed.
    let (roots, unusable_roots) = roots::index_roots(storage).await?;
    done.roots = roots;
    done.unusable += unusable_roots;
    done.removed = remove_missing(storage, &present).await?;
    find_documents(storage).await?;
    Ok(done)
}

/// Whether an index knows no path, although its storage has some.
///
/// # Errors
/// When storage or index cannot be used.
pub async fn is_index_empty(storage: &Storage) -> Result<bool, MaintenanceError> {
    if !storage.index().published_after(None, 1).await?.is_empty() {
        return Ok(false);
    }
    Ok(has_paths(storage.reader()).await?)
}

/// Whether a storage has a path.
///
/// # Errors
/// When the storage cannot be listed.
pub async fn has_paths(reader: &StorageReader) -> Result<bool, ObjectError> {
    let mut listed = reader.objects().list(None);
    while let Some((key, _)) = listed.try_next().await? {
        if scan::hash_of(&key).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes paths out that were not in the listing of the storage, and are not there now.
async fn remove_missing(
    storage: &Storage,
    present: &BTreeSet<HashPart>,
) -> Result<u64, MaintenanceError> {
    let index = storage.index();
    let (mut after, mut removed) = (None, 0);
    loop {
        let known = index.published_after(after.as_ref(), INDEXED_PATHS_BATCH).await?;
        let Some((last, _)) = known.last() else { return Ok(removed) };
        after = Some(*last);
        for (hash, _) in &known {
            if !present.contains(hash) && matches!(storage.reader().narinfo(*hash).await, Ok(None))
            {
                removed += u64::from(storage.forget_missing(hash).await?);
            }
        }
    }
}
