//! Narinfos that were rendered before, and are still true.
//!
//! Rendering costs a question to the cache, a signature for each key, and formatting. The result is kept as bytes with
//! the state of the keys and of the record that it was made from (both read before it was made). While the cache says that
//! the record is of the same state, the answer is a look-up in memory.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use quick_cache::{Weighter, sync::Cache};
use rns_cache::Freshness;
use rns_formats::HashPart;

use crate::response::preserialized::Preserialized;

/// A narinfo as it is sent.
#[derive(Debug)]
pub(crate) struct CachedNarinfo {
    pub(crate) prepared: Preserialized,
    pub(crate) etag: HeaderValue,
    version: Version,
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

impl NarinfoCache {
    pub(crate) fn new(bytes: usize) -> Self {
        let estimate = (bytes >> 10).clamp(64, 65_536);
        Self(Cache::with_weighter(estimate, bytes as u64, NarinfoWeight))
    }

    /// The narinfo that was made from this.
    pub(crate) fn get(&self, hash: &HashPart, version: Version) -> Option<Arc<CachedNarinfo>> {
        self.0.get(&(version.cache, *hash)).filter(|narinfo| narinfo.version == version)
    }

    /// Keeps a narinfo.
    pub(crate) fn insert(
        &self,
        hash: HashPart,
        version: Version,
        prepared: Preserialized,
        etag: HeaderValue,
    ) -> Arc<CachedNarinfo> {
        let narinfo = Arc::new(CachedNarinfo { prepared, etag, version });
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
}
