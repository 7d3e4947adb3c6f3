//! Layouts kept in memory, within a bound.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quick_cache::{Weighter, sync::Cache};
use rns_formats::{HashPart, nar::NarLayout};

/// A path and the row that registered it: a path that is collected and comes back has another row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayoutKey {
    pub(crate) hash: HashPart,
    pub(crate) row: i64,
}

/// The cache. A layout holds no descriptor: an open file would keep its path from being collected.
pub(crate) struct Layouts {
    cache: Cache<LayoutKey, Arc<NarLayout>, Bytes>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<LayoutKey, Arc<NarLayout>> for Bytes {
    fn weight(&self, _: &LayoutKey, layout: &Arc<NarLayout>) -> u64 {
        (layout.memory_bytes() + size_of::<LayoutKey>()) as u64
    }
}

impl Layouts {
    pub(crate) fn new(bytes: usize) -> Self {
        // The estimate only sizes the first allocation.
        let estimate = (bytes >> 14).clamp(16, 4096);
        Self {
            cache: Cache::with_weighter(estimate, bytes as u64, Bytes),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The layout, from memory or else from `read`. Whoever asks for the same one meanwhile waits for it.
    pub(crate) async fn get_or<E>(
        &self,
        key: &LayoutKey,
        read: impl Future<Output = Result<NarLayout, E>>,
    ) -> Result<Arc<NarLayout>, E> {
        let mut hit = true;
        let layout = self
            .cache
            .get_or_insert_async(key, async {
                hit = false;
                read.await.map(Arc::new)
            })
            .await;
        let count = if hit { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        layout
    }

    pub(crate) fn remove(&self, key: &LayoutKey) {
        self.cache.remove(key);
    }

    /// Bytes in use, hits, misses.
    pub(crate) fn numbers(&self) -> (u64, u64, u64) {
        (self.cache.weight(), self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}
