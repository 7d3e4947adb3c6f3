//! What is known of the condition of paths: which were found damaged, which were read and had the right hash.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use quick_cache::sync::Cache;

use crate::{CacheError, nar::LayoutKey};

/// How long a damaged path is not looked at again; a repair is noticed after that.
const RECHECK: Duration = Duration::from_secs(60);

/// Paths remembered of each kind.
const REMEMBERED: usize = 16_384;

pub(crate) struct PathHealth {
    damaged: Cache<LayoutKey, Instant>,
    /// When, in seconds since 1970: a file that changed after that is not what was verified.
    verified: Cache<LayoutKey, i64>,
    found: AtomicU64,
}

impl PathHealth {
    pub(crate) fn new() -> Self {
        Self {
            damaged: Cache::new(REMEMBERED),
            verified: Cache::new(REMEMBERED),
            found: AtomicU64::new(0),
        }
    }

    /// Whether the path was found damaged a moment ago.
    pub(crate) fn is_damaged(&self, key: &LayoutKey) -> bool {
        self.damaged.get(key).is_some_and(|since| since.elapsed() < RECHECK)
    }

    /// Remembers the damage and tells the operator, once a while.
    pub(crate) fn note_damage(&self, key: LayoutKey, error: &CacheError) {
        if !self.is_damaged(&key) {
            tracing::error!("not served: {error}");
        }
        self.found.fetch_add(1, Ordering::Relaxed);
        self.damaged.insert(key, Instant::now());
        self.verified.remove(&key);
    }

    /// How often damage was found.
    pub(crate) fn damaged_so_far(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// When the NAR was read whole and had the registered hash, in seconds since 1970.
    pub(crate) fn verified_at(&self, key: &LayoutKey) -> Option<i64> {
        self.verified.get(key)
    }

    pub(crate) fn note_verified(&self, key: LayoutKey) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.verified.insert(key, i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    }

    /// A file was changed after the verification: the next whole read checks again.
    pub(crate) fn forget_verified(&self, key: &LayoutKey) {
        self.verified.remove(key);
    }
}
