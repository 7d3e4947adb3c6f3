//! New caches take the place of the old ones when their policies are evaluated.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::caches::registry::CacheRegistry;

/// How long the old caches are still shown at most.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a cache that cannot be evaluated yet is asked again.
const EVALUATION_RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Caches that are about to be shown. Dropped: they will not be.
pub(crate) struct PendingCaches {
    pub(crate) caches: Arc<CacheRegistry>,
    settled: JoinHandle<()>,
}

impl PendingCaches {
    /// To be called where tasks can be spawned.
    pub(crate) fn new(caches: CacheRegistry) -> Self {
        let caches = Arc::new(caches);
        Self { settled: tokio::spawn(settle(Arc::clone(&caches))), caches }
    }

    /// Waits until they can be shown.
    pub(crate) async fn settled(&mut self) {
        while !self.settled.is_finished() {
            _ = (&mut self.settled).await;
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.is_finished()
    }
}

impl Drop for PendingCaches {
    fn drop(&mut self) {
        self.settled.abort();
    }
}

/// Returns when all policies are evaluated, or when that takes too long.
async fn settle(caches: Arc<CacheRegistry>) {
    let known = async {
        for store in caches.stores() {
            while store.settled().await.is_err() {
                sleep(EVALUATION_RETRY_INTERVAL).await;
            }
        }
    };
    if timeout(SETTLE_TIMEOUT, known).await.is_err() {
        tracing::warn!(
            "the policies of some caches are not evaluated yet; these caches answer with 503 until they are"
        );
    }
}
