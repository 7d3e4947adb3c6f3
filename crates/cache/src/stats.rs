//! Counters of a cache, for metrics, and reasons why it cannot answer.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::CacheError;

/// Counters and levels of a cache. Backends leave those at zero that they do not have; several are added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendStats {
    /// Memory of cached NAR layouts, in bytes.
    pub layout_bytes: u64,
    /// NARs whose layout was in memory.
    pub layout_hits: u64,
    /// NARs whose tree had to be walked.
    pub layout_misses: u64,
    /// How often a path was found damaged.
    pub damaged: u64,
    /// Questions to a database, or requests to a storage.
    pub questions: u64,
    /// Those that were not answered.
    pub failures: u64,
    /// Downloads whose path was held by a temporary root.
    pub rooted: u64,
    /// Downloads that went on without, by cause.
    pub unrooted: Vec<(&'static str, u64)>,
    /// Compressed NARs.
    pub nar_cache: NarCacheStats,
    /// The size of the exposed set, where there is a policy.
    pub exposure: Option<ExposureStats>,
    /// The room on the disk of the local store, where a part of that is kept free.
    pub disk: Option<DiskRoom>,
    /// Collection of a storage, where there is one.
    pub retention: Option<RetentionStats>,
}

/// Counters and levels of a cache of compressed NARs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NarCacheStats {
    /// Size of the files together, in bytes.
    pub bytes: u64,
    /// Memory of small compressed NARs, in bytes.
    pub memory_bytes: u64,
    /// Compressed NARs that were there when they were asked for.
    pub hits: u64,
    /// Those that were not.
    pub misses: u64,
    /// Files that were removed to make room.
    pub evictions: u64,
    /// Compressions that run at the moment.
    pub running: u64,
    /// Compressions that were completed.
    pub made: u64,
}

/// Counters and levels of the collection of a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionStats {
    /// The paths that stay, by the strongest reason, and the bytes of their NARs.
    pub kept: Vec<(&'static str, u64, u64)>,
    /// Bytes of all NARs, when it was last looked.
    pub stored_bytes: u64,
    /// The limit for them.
    pub max_size: Option<u64>,
    /// The paths that go first when room is needed, and the bytes of their NARs: some of them, as of the last look.
    pub first_to_go: Vec<(String, u64)>,
    /// The room on its disk, where a part of that is kept free.
    pub disk: Option<DiskRoom>,
    /// Paths that were removed since the start.
    pub reclaimed_paths: u64,
    /// Bytes of NARs that were removed since the start.
    pub reclaimed_bytes: u64,
    /// Documents beside paths that stay, by kind.
    pub kept_documents: BTreeMap<&'static str, u64>,
    /// Documents that were removed since the start, by kind.
    pub reclaimed_documents: BTreeMap<&'static str, u64>,
    /// Collections that came to their end since the start.
    pub runs: u64,
    /// Those that were cut off.
    pub failures: u64,
    /// When a collection, or a look at everything, last came to its end.
    pub last_ended: Option<SystemTime>,
    /// How long that took.
    pub last_duration: Duration,
    /// When the next one is due.
    pub next: Option<SystemTime>,
}

/// The room on a disk of which a part is kept free, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskRoom {
    /// Free, for ordinary users.
    pub free: u64,
    /// To be kept free.
    pub keep_free: u64,
}

/// Counters and levels of an exposure policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExposureStats {
    /// Paths that are exposed.
    pub exposed: u64,
    /// Paths that fit the policy by themselves and are withheld because of their references.
    pub withheld: u64,
    /// Configured roots that lead to no valid path.
    pub roots_missing: u64,
    /// How long the last evaluation took that found something new.
    pub last_evaluation: Duration,
    /// How many of these there were.
    pub evaluations: u64,
}

/// A reason why a cache cannot answer truthfully.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The store or storage cannot be read.
    #[error("{0}")]
    Store(CacheError),
    /// The paths that the policy shows are not known.
    #[error("{0}")]
    Exposure(CacheError),
}

impl BackendStats {
    /// Both together. Two policies cannot be added up: the first one's numbers stay.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.layout_bytes += other.layout_bytes;
        self.layout_hits += other.layout_hits;
        self.layout_misses += other.layout_misses;
        self.damaged += other.damaged;
        self.questions += other.questions;
        self.failures += other.failures;
        self.rooted += other.rooted;
        for (cause, count) in other.unrooted {
            match self.unrooted.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, sum)) => *sum += count,
                None => self.unrooted.push((cause, count)),
            }
        }
        self.nar_cache = self.nar_cache.plus(other.nar_cache);
        self.exposure = self.exposure.or(other.exposure);
        self.retention = self.retention.or(other.retention);
        self
    }
}

impl NarCacheStats {
    const fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            memory_bytes: self.memory_bytes + other.memory_bytes,
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            evictions: self.evictions + other.evictions,
            running: self.running + other.running,
            made: self.made + other.made,
        }
    }
}
