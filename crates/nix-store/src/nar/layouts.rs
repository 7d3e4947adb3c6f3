//! Layouts kept in memory, within a bound.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{Weighter, sync::Cache};
use rns_formats::{HashPart, nar::NarLayout};

/// A path and the row that registered it: a path that is collected and comes back has another row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayoutKey {
    pub(crate) hash: HashPart,
    pub(crate) row: i64,
}

/// The cache divides its room among shards when it expects more entries than this, and could then not take a
/// layout that is larger than a shard.
const MAX_ENTRIES_OF_ONE_SHARD: usize = 32;

/// The cache. A layout holds no descriptor: an open file would keep its path from being collected.
pub(crate) struct Layouts {
    cache: Cache<LayoutKey, Arc<NarLayout>, LayoutWeight>,
    /// Those that are too large to be kept: shared by the downloads that use them, and gone with the last.
    lent: Mutex<HashMap<LayoutKey, Weak<NarLayout>>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct LayoutWeight;

impl Weighter<LayoutKey, Arc<NarLayout>> for LayoutWeight {
    fn weight(&self, _: &LayoutKey, layout: &Arc<NarLayout>) -> u64 {
        (layout.memory_bytes() + size_of::<LayoutKey>()) as u64
    }
}

impl Layouts {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            cache: Cache::with_weighter(MAX_ENTRIES_OF_ONE_SHARD, bytes as u64, LayoutWeight),
            lent: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The layout, from memory or else from `read`. Other questions for the same one wait for it.
    pub(crate) async fn get_or<E>(
        &self,
        key: &LayoutKey,
        read: impl Future<Output = Result<NarLayout, E>>,
    ) -> Result<Arc<NarLayout>, E> {
        if let Some(layout) = self.lent().get(key).and_then(Weak::upgrade) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(layout);
        }
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
        if let Ok(layout) = &layout
            && LayoutWeight.weight(key, layout) > self.cache.capacity()
        {
            let mut lent = self.lent();
            lent.retain(|_, layout| layout.strong_count() > 0);
            lent.insert(*key, Arc::downgrade(layout));
        }
        layout
    }

    fn lent(&self) -> MutexGuard<'_, HashMap<LayoutKey, Weak<NarLayout>>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn remove(&self, key: &LayoutKey) {
        self.cache.remove(key);
        self.lent().remove(key);
    }

    /// Bytes in use, hits, misses.
    pub(crate) fn numbers(&self) -> (u64, u64, u64) {
        (
            self.cache.weight(),
            self.hits.load(Ordering::Relaxed),
            self.misses.load(Ordering::Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::nar::{LayoutBuilder, NarLimits};

    use super::*;

    fn layout(files: usize) -> Result<NarLayout, ()> {
        let mut builder = LayoutBuilder::new(NarLimits::default());
        builder.enter_directory().unwrap();
        for file in 0..files {
            builder.entry(format!("{file:08}").as_bytes()).unwrap();
            builder.regular(false, 1).unwrap();
        }
        builder.leave_directory().unwrap();
        Ok(builder.finish().unwrap())
    }

    fn key(row: i64) -> LayoutKey {
        LayoutKey { hash: HashPart::parse("00000000000000000000000000000000").unwrap(), row }
    }

    #[tokio::test]
    async fn one_large_layout_may_fill_the_cache() {
        let layouts = Layouts::new(4 << 20);
        let large = layouts.get_or(&key(1), async { layout(10_000) }).await.unwrap();
        assert!(large.memory_bytes() > 2 << 20);
        drop(large);
        layouts.get_or(&key(1), async { Err(()) }).await.expect("kept");
        assert_eq!(layouts.numbers().1, 1);
    }

    #[tokio::test]
    async fn a_layout_beyond_the_bound_is_shared_and_then_gone() {
        let layouts = Layouts::new(1 << 10);
        let one = layouts.get_or(&key(1), async { layout(1000) }).await.unwrap();
        let two = layouts.get_or(&key(1), async { Err(()) }).await.expect("the same");
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(layouts.numbers().0, 0, "not in the cache");
        drop((one, two));
        layouts.get_or(&key(1), async { Err(()) }).await.expect_err("nobody used it any more");
    }
}
