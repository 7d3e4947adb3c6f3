//! Rows that were looked up before, each with its version.
//!
//! A row is current while the database is in the generation from before the row was read. It may be shown for a second
//! after it was last known to be current: see [`RecentRows::recent`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use quick_cache::{Weighter, sync::Cache};
use rns_cache::Freshness;
use rns_formats::{HashPart, StorePath};

use crate::db::PathRow;

/// How long a row may be shown after it was last known to be current, on a machine that registers paths all the time: there
/// the database changes between any two requests. A NAR that is collected a moment later is a 404 anyway.
const MAX_ROW_AGE: Duration = Duration::from_secs(1);

/// After this time the files of a row are looked for again even when the database did not change: they can be taken away behind
/// its back.
const ROW_RECHECK_INTERVAL: Duration = Duration::from_secs(60);

/// Rows that were looked up before, within a bound of memory.
pub(super) struct RecentRows {
    rows: Cache<HashPart, Arc<CachedRow>, RowWeight>,
    started: Instant,
    /// The version of the next row that differs from the one before.
    next_version: AtomicU64,
}

/// A row with its version: equal rows of a path have the same one.
struct CachedRow {
    row: Arc<PathRow>,
    version: u64,
    /// The generation of the database from before the row was read.
    generation: u64,
    /// When its files were last seen, and when it was last known to be current, in milliseconds after `started` of the cache.
    seen: AtomicU64,
    current: AtomicU64,
}

/// A row, and the version of its record.
#[derive(Clone)]
pub(crate) struct VersionedRow {
    pub(crate) row: Arc<PathRow>,
    pub(crate) freshness: Freshness,
}

#[derive(Clone)]
struct RowWeight;

impl Weighter<HashPart, Arc<CachedRow>> for RowWeight {
    fn weight(&self, _: &HashPart, cached: &Arc<CachedRow>) -> u64 {
        // Names are on the heap, each with its own few words around it; so are signatures.
        let info = &cached.row.info;
        (640 + 96 * info.references.len() + 160 * info.signatures.len()) as u64
    }
}

impl RecentRows {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            rows: Cache::with_weighter((bytes >> 10).max(64), bytes as u64, RowWeight),
            started: Instant::now(),
            next_version: AtomicU64::new(1),
        }
    }

    /// The row, if it is current in this generation of the database, which is the present one; 0 is none. `is_there` looks for
    /// the files of a path without waiting.
    pub(super) fn current(
        &self,
        hash: &HashPart,
        generation: u64,
        is_there: impl FnOnce(&StorePath) -> bool,
    ) -> Option<VersionedRow> {
        let cached = self.rows.get(hash)?;
        self.is_current(&cached, generation, is_there).then(|| cached.versioned())
    }

    /// The row, if it is current or was within the last second.
    pub(super) fn recent(
        &self,
        hash: &HashPart,
        generation: u64,
        is_there: impl FnOnce(&StorePath) -> bool,
    ) -> Option<VersionedRow> {
        let cached = self.rows.get(hash).filter(|_| generation != 0)?;
        let is_recent = self.is_current(&cached, generation, is_there)
            || age(self.now(), &cached.current) < MAX_ROW_AGE;
        is_recent.then(|| cached.versioned())
    }

    fn is_current(
        &self,
        cached: &CachedRow,
        generation: u64,
        is_there: impl FnOnce(&StorePath) -> bool,
    ) -> bool {
        if generation == 0 || cached.generation != generation {
            return false;
        }
        let now = self.now();
        if age(now, &cached.seen) >= ROW_RECHECK_INTERVAL {
            if !is_there(&cached.row.info.path) {
                return false;
            }
            cached.seen.store(now, Ordering::Relaxed);
        }
        // Other workers have the row in the caches of their processors.
        if cached.current.load(Ordering::Relaxed) != now {
            cached.current.store(now, Ordering::Relaxed);
        }
        true
    }

    /// Remembers a row that was read. The generation must have been read before the row was.
    pub(super) fn insert(&self, hash: HashPart, generation: u64, row: PathRow) -> VersionedRow {
        let before = self.rows.get(&hash).filter(|cached| *cached.row == row);
        let (row, version) = match before {
            Some(before) => (Arc::clone(&before.row), before.version),
            None => (Arc::new(row), self.next_version.fetch_add(1, Ordering::Relaxed)),
        };
        let now = self.now();
        let (seen, current) = (now.into(), now.into());
        let cached = CachedRow { row, version, generation, seen, current };
        let versioned = cached.versioned();
        self.rows.insert(hash, Arc::new(cached));
        versioned
    }

    /// Forgets the row of a path.
    pub(super) fn remove(&self, hash: &HashPart) {
        self.rows.remove(hash);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The time since a moment, both in milliseconds.
fn age(now: u64, moment: &AtomicU64) -> Duration {
    Duration::from_millis(now.saturating_sub(moment.load(Ordering::Relaxed)))
}

impl CachedRow {
    fn versioned(&self) -> VersionedRow {
        let freshness = Freshness::of_record(self.version.into());
        VersionedRow { row: Arc::clone(&self.row), freshness }
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::{PathInfo, Sha256Digest, StorePath};

    use super::*;

    fn row(id: i64, nar_size: u64) -> PathRow {
        let info = PathInfo {
            path: StorePath::parse("00000000000000000000000000000001-x").unwrap(),
            nar_hash: Sha256Digest::of(b"x"),
            nar_size,
            references: Vec::new(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            ultimate: false,
            provenance: None,
            unknown: Vec::new(),
            registration_time: 0,
        };
        PathRow { id, info: info.into() }
    }

    fn hash() -> HashPart {
        row(1, 1).info.path.hash_part()
    }

    #[test]
    fn a_row_is_current_in_its_state_of_the_database_only() {
        let rows = RecentRows::new(1 << 20);
        rows.insert(hash(), 7, row(1, 1));
        let seen = |_: &StorePath| panic!("its files were just seen");
        assert!(rows.current(&hash(), 7, seen).is_some());
        assert!(rows.current(&hash(), 8, seen).is_none());
        assert!(rows.recent(&hash(), 8, seen).is_some(), "a second has not passed");
        assert!(rows.recent(&hash(), 0, seen).is_none(), "an unknown state proves nothing");
        rows.insert(hash(), 0, row(1, 1));
        assert!(rows.current(&hash(), 0, seen).is_none());
    }

    #[test]
    fn the_files_of_a_row_are_looked_for_once_a_minute() {
        let mut rows = RecentRows::new(1 << 20);
        rows.insert(hash(), 7, row(1, 1));
        let Some(minute_ago) = Instant::now().checked_sub(ROW_RECHECK_INTERVAL) else { return };
        rows.started = minute_ago;
        assert!(rows.current(&hash(), 7, |_| false).is_none());
        assert!(rows.current(&hash(), 7, |path| path.name() == "x").is_some());
        assert!(rows.current(&hash(), 7, |_| panic!("they were just seen")).is_some());
    }

    #[test]
    fn the_same_row_is_of_the_same_state_and_another_one_is_not() {
        let rows = RecentRows::new(1 << 20);
        let first = rows.insert(hash(), 7, row(1, 1)).freshness;
        assert_eq!(rows.insert(hash(), 9, row(1, 1)).freshness, first);
        let other = rows.insert(hash(), 10, row(1, 2)).freshness;
        assert_ne!(other, first);
        assert_ne!(rows.insert(hash(), 11, row(1, 1)).freshness, first, "it never comes back");
        assert_ne!(rows.insert(hash(), 12, row(2, 1)).freshness, other);
    }
}
