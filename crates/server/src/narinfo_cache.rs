//! Narinfos that were rendered before, and are still true.
//!
//! Rendering costs a question to the cache, a signature for each key, and formatting. The result is kept as bytes with
//! the state of the keys and of the record that it was made from (both read before it was made). While the cache says that
//! the record is of the same state, the answer is a look-up in memory.
//!
//! Where the cache has a generation, a narinfo that was seen to be true in it is true for as long as it lasts. Looking for
//! the record as well would cost as much as the look-up, in memory that the processor does not have at hand.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_web::http::header::HeaderValue;
use quick_cache::{Weighter, sync::Cache};
use rns_cache::Freshness;
use rns_formats::HashPart;
use rustix::time::{ClockId, clock_gettime};

use crate::response::preserialized::Preserialized;

/// How long a narinfo is taken for true in a generation: a hit may be a second old, and files can go without a new one.
const MAX_NARINFO_AGE_MS: u64 = 1000;

/// A narinfo as it is sent.
#[derive(Debug)]
pub(crate) struct CachedNarinfo {
    pub(crate) prepared: Preserialized,
    pub(crate) etag: HeaderValue,
    version: Version,
    /// The generation of the cache in which it was last seen to be true; 0 is none.
    generation: AtomicU64,
    /// When that was, in milliseconds of [`now`].
    confirmed: AtomicU64,
}

/// The versions of everything that a narinfo was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The cache that shows it.
    pub(crate) cache: u32,
    /// The set of keys.
    pub(crate) keys: u64,
    /// The record.
    pub(crate) freshness: Freshness,
}

/// Rendered narinfos, within a bound.
pub(crate) struct NarinfoCache(Cache<NarinfoKey, Arc<CachedNarinfo>, NarinfoWeight>);

/// Which cache shows which path.
type NarinfoKey = (u32, HashPart);

#[derive(Clone)]
struct NarinfoWeight;

impl Weighter<NarinfoKey, Arc<CachedNarinfo>> for NarinfoWeight {
    fn weight(&self, _: &NarinfoKey, narinfo: &Arc<CachedNarinfo>) -> u64 {
        (narinfo.prepared.memory_bytes()
            + 64
            + size_of::<CachedNarinfo>()
            + size_of::<NarinfoKey>()) as u64
    }
}

impl CachedNarinfo {
    /// Whether it was made from this.
    pub(crate) fn is_of(&self, version: Version) -> bool {
        self.version == version
    }

    /// Whether it was seen to be true in this generation of its cache, within the last second.
    pub(crate) fn is_confirmed(&self, generation: NonZeroU64) -> bool {
        self.is_confirmed_at(now(), generation)
    }

    fn is_confirmed_at(&self, now: u64, generation: NonZeroU64) -> bool {
        self.generation.load(Ordering::Relaxed) == generation.get()
            && now < self.confirmed.load(Ordering::Relaxed) + MAX_NARINFO_AGE_MS
    }

    /// Notes that it is true. The generation must have been read before that was found out.
    pub(crate) fn confirm(&self, generation: NonZeroU64) {
        self.generation.store(generation.get(), Ordering::Relaxed);
        self.confirmed.store(now(), Ordering::Relaxed);
    }
}

/// Milliseconds of a clock that goes on by some at a time, and costs less to read than exact ones.
fn now() -> u64 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    let milliseconds = time.tv_sec * 1000 + time.tv_nsec / 1_000_000;
    u64::try_from(milliseconds).unwrap_or_default()
}

impl NarinfoCache {
    pub(crate) fn new(bytes: usize) -> Self {
        let estimate = (bytes >> 10).clamp(64, 65_536);
        Self(Cache::with_weighter(estimate, bytes as u64, NarinfoWeight))
    }

    /// The narinfo that was made from this.
    pub(crate) fn get(&self, hash: &HashPart, version: Version) -> Option<Arc<CachedNarinfo>> {
        self.0.get(&(version.cache, *hash)).filter(|narinfo| narinfo.is_of(version))
    }

    /// The narinfo that a cache has shown with these keys, of any state of the record.
    pub(crate) fn with_keys(
        &self,
        hash: &HashPart,
        cache: u32,
        keys: u64,
    ) -> Option<Arc<CachedNarinfo>> {
        self.0.get(&(cache, *hash)).filter(|narinfo| narinfo.version.keys == keys)
    }

    /// Keeps a narinfo.
    pub(crate) fn insert(
        &self,
        hash: HashPart,
        version: Version,
        prepared: Preserialized,
        etag: HeaderValue,
    ) -> Arc<CachedNarinfo> {
        let (generation, confirmed) = (AtomicU64::new(0), AtomicU64::new(0));
        let narinfo = CachedNarinfo { prepared, etag, version, generation, confirmed };
        let narinfo = Arc::new(narinfo);
        self.0.insert((version.cache, hash), Arc::clone(&narinfo));
        narinfo
    }

    /// Memory in use, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narinfo_is_used_only_for_what_it_was_made_from() {
        let cache = NarinfoCache::new(1 << 20);
        let hash = HashPart::parse("00000000000000000000000000000001").unwrap();
        let made = Version { cache: 0, keys: 3, freshness: Freshness::of_record(5) };
        let answer = Preserialized::new(&crate::response::not_found(), b"text");
        cache.insert(hash, made, answer, HeaderValue::from_static("\"x\""));
        assert!(cache.get(&hash, made).is_some());
        assert!(cache.get(&hash, Version { cache: 1, ..made }).is_none());
        assert!(cache.get(&hash, Version { keys: 4, ..made }).is_none());
        let freshness = made.freshness.under_policy(1);
        assert!(cache.get(&hash, Version { freshness, ..made }).is_none());
    }

    #[test]
    fn a_narinfo_is_true_for_a_second_of_the_generation_that_it_was_seen_in() {
        let cache = NarinfoCache::new(1 << 20);
        let hash = HashPart::parse("00000000000000000000000000000001").unwrap();
        let made = Version { cache: 0, keys: 3, freshness: Freshness::of_record(5) };
        let answer = Preserialized::new(&crate::response::not_found(), b"text");
        let narinfo = cache.insert(hash, made, answer, HeaderValue::from_static("\"x\""));
        let [one, other] = [7, 8].map(|number| NonZeroU64::new(number).unwrap());
        assert!(!narinfo.is_confirmed(one), "no look at it yet");
        narinfo.confirm(one);
        let then = narinfo.confirmed.load(Ordering::Relaxed);
        assert!(narinfo.is_confirmed_at(then, one));
        assert!(narinfo.is_confirmed_at(then + MAX_NARINFO_AGE_MS - 1, one));
        assert!(!narinfo.is_confirmed_at(then + MAX_NARINFO_AGE_MS, one));
        assert!(!narinfo.is_confirmed_at(then, other));
        assert!(cache.with_keys(&hash, 0, 3).is_some());
        assert!(cache.with_keys(&hash, 0, 4).is_none());
        assert!(cache.with_keys(&hash, 1, 3).is_none());
    }
}
