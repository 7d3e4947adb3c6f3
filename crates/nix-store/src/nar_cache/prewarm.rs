//! Compressing NARs before any client asks for them, while there is nothing else to do.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use rns_cache::{CacheError, ExposurePolicy, IsBusy};
use rns_formats::HashPart;

use super::{
    compressed::{CompressedCache, Warmed},
    config::{Codec, Prewarm},
};
use crate::{ExposedCache, Exposures, LocalStore};

/// How often it is looked for new paths.
const PREWARM_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The caches whose paths are compressed: those that are in use now.
pub(crate) type CachesInUse = dyn Fn() -> Vec<CompressedCache> + Send + Sync;

/// Compresses NARs for as long as it is polled.
pub(crate) async fn run(
    prewarm: Prewarm,
    (store, codec): (Arc<Exposures>, Codec),
    caches: Arc<CachesInUse>,
    is_busy: Arc<IsBusy>,
) {
    let mut new = NewPaths { last: None };
    let mut rooted = ClosureFollower::new(&store, &prewarm.roots);
    let mut waiting = VecDeque::new();
    let mut told = false;
    loop {
        tokio::time::sleep(PREWARM_POLL_INTERVAL).await;
        // An outage is told by those whose requests fail; it is tried again.
        if prewarm.new_paths {
            _ = new.find(store.store(), &mut waiting).await;
        }
        if let Some(rooted) = &mut rooted {
            _ = rooted.find(&mut waiting).await;
        }
        while let Some(hash) = waiting.pop_front() {
            match warm(&caches(), hash, codec, &is_busy).await {
                Ok(Warmed::NoRoom) if !told => {
                    told = true;
                    tracing::info!(
                        "nothing is compressed in advance any more: the NAR cache is full"
                    );
                }
                Ok(Warmed::Made) => told = false,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Compresses the NAR of a path that one of the caches shows.
async fn warm(
    caches: &[CompressedCache],
    hash: HashPart,
    codec: Codec,
    is_busy: &Arc<IsBusy>,
) -> Result<Warmed, CacheError> {
    let mut otherwise = Ok(Warmed::Not);
    for cache in caches {
        match cache.warm(hash, codec, is_busy).await {
            Ok(Warmed::Not) => {}
            Ok(warmed) => return Ok(warmed),
            // The paths of this cache may not be known yet; another one can show it all the same.
            Err(error) => otherwise = Err(error),
        }
    }
    otherwise
}

/// Follows the closures of roots.
struct ClosureFollower {
    exposed: ExposedCache,
    /// The state of the closures that were seen.
    seen: Option<u64>,
}

impl ClosureFollower {
    fn new(store: &Exposures, roots: &[PathBuf]) -> Option<Self> {
        let policy = ExposurePolicy { roots: Some(roots.to_vec()), ..ExposurePolicy::default() };
        (!roots.is_empty()).then(|| Self { exposed: store.cache(&policy), seen: None })
    }

    async fn find(&mut self, waiting: &mut VecDeque<HashPart>) -> Result<(), CacheError> {
        self.exposed.exposure_known().await?;
        // Read before the paths are, so that nothing is missed.
        let now = self.exposed.exposure_numbers();
        if self.seen != Some(now.evaluations) {
            waiting.extend(self.exposed.exposed_paths().await?.unwrap_or_default());
            self.seen = Some(now.evaluations);
        }
        Ok(())
    }
}

/// Follows the registration of paths.
struct NewPaths {
    last: Option<i64>,
}

impl NewPaths {
    async fn find(
        &mut self,
        store: &LocalStore,
        waiting: &mut VecDeque<HashPart>,
    ) -> Result<(), CacheError> {
        let (paths, last) = store.registered_after(self.last).await?;
        self.last = Some(last);
        waiting.extend(paths);
        Ok(())
    }
}
