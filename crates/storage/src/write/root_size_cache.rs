//! The sizes of roots that were found out last: a client that asks again soon gets the same.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rns_cache::RootSizes;
use tokio::sync::Mutex;

use crate::{
    collect::{RootSizeLimits, root_sizes},
    index::{Index, IndexError},
};

/// How long sizes are told, as a multiple of the time that it took to find them out: a small part of one processor at most.
const MAX_AGE_FACTOR: u32 = 20;

/// Sizes, and when and how quickly they were found out.
struct TimedSizes {
    sizes: Option<Arc<RootSizes>>,
    found: Instant,
    took: Duration,
}

/// The sizes that were found out last. Clones share them. One finds them out at a time, and others wait for it.
#[derive(Clone, Default)]
pub(super) struct RootSizeCache(Arc<Mutex<Option<TimedSizes>>>);

impl RootSizeCache {
    /// The sizes of roots. `None`: the index is larger than the limits.
    ///
    /// The work goes on when the client that waits for it leaves: others have the use of it, and do not begin it again.
    pub(super) async fn get(
        &self,
        index: Arc<dyn Index>,
        limits: RootSizeLimits,
    ) -> Result<Option<Arc<RootSizes>>, IndexError> {
        let mut known = Arc::clone(&self.0).lock_owned().await;
        if let Some(known) = &*known
            && known.found.elapsed() < known.took * MAX_AGE_FACTOR
        {
            return Ok(known.sizes.clone());
        }
        let task = tokio::spawn(async move {
            let begun = Instant::now();
            let sizes = root_sizes(&*index, limits).await?.map(Arc::new);
            if sizes.is_none() {
                tracing::warn!(
                    "the index is too large to tell the sizes of roots: `storage gc --dry-run` lists the paths that would go"
                );
            }
            let took = begun.elapsed();
            *known = Some(TimedSizes { sizes: sizes.clone(), found: Instant::now(), took });
            Ok(sizes)
        });
        task.await.unwrap_or_else(|error| {
            let (database, why) = ("the index".to_owned(), error.to_string());
            Err(IndexError::Unavailable { database, why })
        })
    }
}

impl fmt::Debug for RootSizeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootSizeCache")
    }
}
