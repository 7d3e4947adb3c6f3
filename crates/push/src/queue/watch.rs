//! New paths of the local store, into the queue.

use std::{
    convert::Infallible,
    mem::replace,
    time::{Duration, Instant},
};

use rns_client::Liveness;
use rns_formats::StorePath;
use rns_nix_store::LocalStore;
use tokio::time::sleep;

use super::{
    error::{QueueError, WatchError},
    queue_file::Queue,
};

/// The time between two looks at the database. Each is one small question.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The time for which a database that cannot be read is waited for.
const UNREADABLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Adds every path that becomes valid to the queue, also those of the time when nothing watched; a new queue begins with the
/// paths that come from now on. `with_existing` adds those that are there, once in the life of the queue. `liveness` is told of
/// each look.
///
/// # Errors
/// When the queue cannot be used, or the store could not be read for half a minute: the service manager shows that, and
/// begins anew.
pub async fn watch(
    store: &LocalStore,
    queue: &Queue,
    with_existing: bool,
    liveness: &Liveness,
) -> Result<Infallible, WatchError> {
    liveness.begin();
    if with_existing && queue.begin_with_existing()? {
        tracing::info!("adds the paths that are in the store already, this once");
    }
    let mut seen = queue.seen_row()?;
    let mut unreadable_since = None;
    let mut is_full = false;
    loop {
        liveness.note();
        match look(store, seen).await {
            Ok((paths, row)) => {
                if unreadable_since.take().is_some() {
                    tracing::info!("the store's database can be read again");
                }
                let is_more = seen != Some(row);
                if (is_more || !paths.is_empty()) && !is_added(queue, &paths, row)? {
                    if !replace(&mut is_full, true) {
                        tracing::warn!("the queue is full: new paths are added when it is shorter");
                    }
                } else {
                    (is_full, seen) = (false, Some(row));
                    if is_more && !paths.is_empty() {
                        continue;
                    }
                }
            }
            Err(source) => {
                let since = *unreadable_since.get_or_insert_with(|| {
                    tracing::warn!("new paths cannot be found, it is tried again: {source}");
                    Instant::now()
                });
                if since.elapsed() >= UNREADABLE_TIMEOUT {
                    return Err(WatchError::Store { length: UNREADABLE_TIMEOUT, source });
                }
            }
        }
        sleep(WATCH_INTERVAL).await;
    }
}

/// Adds paths, and notes the row. Returns false for a full queue, which the same program may be draining.
fn is_added(queue: &Queue, paths: &[StorePath], row: i64) -> Result<bool, QueueError> {
    match queue.add(paths, Some(row)) {
        Ok(_) => Ok(true),
        Err(QueueError::Full { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Paths after a row, and the last row that was looked at.
async fn look(
    store: &LocalStore,
    seen: Option<i64>,
) -> Result<(Vec<StorePath>, i64), rns_cache::CacheError> {
    let (hashes, row) = store.registered_after(seen).await?;
    let mut paths = Vec::new();
    for hash in hashes {
        // Derivations are no results of builds.
        let info = store.path_info(hash).await?;
        paths.extend(info.map(|info| info.path.clone()).filter(|path| !path.is_derivation()));
    }
    Ok((paths, row))
}
