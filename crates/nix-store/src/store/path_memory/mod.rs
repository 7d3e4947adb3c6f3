//! Answers about paths that need no question to the database: rows, and certain misses, of one generation of it.
//!
//! A row of a path that was found damaged, or of a store that is not there, counts for nothing until it is looked up
//! again.

mod misses;
mod rows;

use std::sync::Arc;

use rns_file_io::nonblocking_io::{CachedOpen, NonblockingIo};
use rns_formats::{HashPart, StorePath};
use rustix::fs::{CWD, OFlags, ResolveFlags};

pub(crate) use self::rows::VersionedRow;
use self::{misses::MissIndex, rows::RecentRows};
use crate::{
    db::PathRow,
    store::{path_health::PathHealth, store_presence::StorePresence},
};

/// The part of the memory for layouts that rows take.
const ROW_SHARE: usize = 4;

/// Rows and misses that are remembered.
pub(crate) struct PathMemory {
    rows: RecentRows,
    misses: Arc<MissIndex>,
    presence: Arc<StorePresence>,
    health: Arc<PathHealth>,
    nonblocking_io: Arc<NonblockingIo>,
}

/// The memory of a path.
pub(crate) enum RememberedPath {
    /// Its row.
    Hit(VersionedRow),
    /// There is certainly no such path.
    Miss,
    /// The database has to be asked.
    Unknown,
}

impl PathMemory {
    /// Of at most `index_entries` paths, with a part of `layout_cache_bytes` for rows.
    pub(crate) fn new(
        presence: &Arc<StorePresence>,
        health: &Arc<PathHealth>,
        nonblocking_io: &Arc<NonblockingIo>,
        layout_cache_bytes: usize,
        index_entries: usize,
    ) -> Self {
        Self {
            rows: RecentRows::new(layout_cache_bytes / ROW_SHARE),
            misses: Arc::new(MissIndex::new(Arc::clone(presence), index_entries)),
            presence: Arc::clone(presence),
            health: Arc::clone(health),
            nonblocking_io: Arc::clone(nonblocking_io),
        }
    }

    /// The memory of a path in this generation of the database, which is the present one; 0 is none. Never waits.
    pub(crate) fn get(&self, hash: &HashPart, generation: u64) -> RememberedPath {
        let row = || self.rows.current(hash, generation, |path| self.is_there_now(path));
        self.remembered(hash, generation, row)
    }

    /// The same; a row may also be one that was current within the last second. Never waits.
    pub(crate) fn get_recent(&self, hash: &HashPart, generation: u64) -> RememberedPath {
        let row = || self.rows.recent(hash, generation, |path| self.is_there_now(path));
        self.remembered(hash, generation, row)
    }

    /// Whether something with the name of the path is certainly there. Never waits; `false` says nothing.
    fn is_there_now(&self, path: &StorePath) -> bool {
        let path = self.presence.real_dir.join(path.as_str());
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let found = self.nonblocking_io.find(CWD, &path, flags, ResolveFlags::empty());
        matches!(found, CachedOpen::File(_))
    }

    fn remembered(
        &self,
        hash: &HashPart,
        generation: u64,
        row: impl FnOnce() -> Option<VersionedRow>,
    ) -> RememberedPath {
        if !self.is_suspect(hash)
            && let Some(row) = row()
        {
            return RememberedPath::Hit(row);
        }
        if self.misses.is_surely_missing(*hash, generation) {
            return RememberedPath::Miss;
        }
        RememberedPath::Unknown
    }

    /// Whether the path was found damaged, or the whole store missing. Never waits.
    pub(crate) fn is_suspect(&self, hash: &HashPart) -> bool {
        self.presence.is_gone() || self.health.is_suspect(hash)
    }

    /// Whether any path was found damaged, or the whole store missing. Never waits.
    pub(crate) fn is_any_suspect(&self) -> bool {
        self.presence.is_gone() || self.health.is_any_suspect()
    }

    /// Remembers a row that was read. The generation must have been read before the row was.
    pub(crate) fn insert(&self, hash: HashPart, generation: u64, row: PathRow) -> VersionedRow {
        self.rows.insert(hash, generation, row)
    }

    /// Forgets the row of a path, which is missing now or not as it should be.
    pub(crate) fn forget(&self, hash: &HashPart) {
        self.rows.remove(hash);
    }

    /// Learns, in a task of its own, which paths there are: the database was asked for one that is missing.
    pub(crate) fn learn_misses(&self) {
        self.misses.learn();
    }
}
