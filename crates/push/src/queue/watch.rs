//! New paths of the local store, into the queue.

use std::time::Duration;

use rns_formats::StorePath;
use rns_nix_store::LocalStore;
use tokio::time::sleep;

use super::{error::QueueError, queue_file::Queue};

/// The time between two looks at the database. Each is one small question.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Adds every path that becomes valid to the queue, also those of the time when nothing watched; a new queue begins with the
/// paths that come from now on. `with_existing` adds those that are there, once in the life of the queue. `alive` is called at
/// each look.
///
/// # Errors
/// When the queue cannot be used. A database that cannot be read is waited for.
pub async fn watch(
    store: &LocalStore,
    queue: &Queue,
    with_existing: bool,
    alive: impl Fn(),
) -> Result<std::convert::Infallible, QueueError> {
    if with_existing && queue.begin_with_existing()? {
        tracing::info!("adds the paths that are in the store already, this once");
    }
    let mut seen = queue.seen_row()?;
    let mut is_told = false;
    loop {
        match look(store, seen).await {
            Ok((paths, row)) => {
                if is_told {
                    tracing::info!("the store's database can be read again");
                    is_told = false;
                }
                let is_more = seen != Some(row);
                if is_more || !paths.is_empty() {
                    queue.add(&paths, Some(row))?;
                    seen = Some(row);
                }
                alive();
                if is_more && !paths.is_empty() {
                    continue;
                }
            }
            // The loop itself is alive, and logs a fault once.
            Err(error) => {
                if !is_told {
                    tracing::error!("new paths cannot be found, it is tried again: {error}");
                    is_told = true;
                }
                alive();
            }
        }
        sleep(WATCH_INTERVAL).await;
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
