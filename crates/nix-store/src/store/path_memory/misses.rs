//! Paths that are certainly missing, without a question to the database.
//!
//! Most questions to a cache are about paths that it does not have. An index of all hash parts answers them, but only
//! when it was brought up to date in the present generation of the database: a miss that is not true costs a client an
//! hour. Otherwise the database is asked, and the index is brought up to date meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use rns_formats::HashPart;

use crate::{
    db::statements::PATHS_BEHIND_ROW,
    store::{hash_key::key, index::LazyIndex, store_presence::StorePresence},
};

/// The index of all paths, and the generation of the database that it is of.
pub(super) struct MissIndex {
    presence: Arc<StorePresence>,
    index: LazyIndex,
    /// 0 before the first time.
    generation: AtomicU64,
    updating: AtomicBool,
}

impl MissIndex {
    /// Of at most `entries` paths of this store.
    pub(super) fn new(presence: Arc<StorePresence>, entries: usize) -> Self {
        Self {
            presence,
            index: LazyIndex::new("paths", entries),
            generation: AtomicU64::new(0),
            updating: AtomicBool::new(false),
        }
    }

    /// Whether no valid path has this hash part in this generation of the database, which is the present one. `false`
    /// says nothing.
    pub(super) fn is_surely_missing(&self, hash: HashPart, generation: u64) -> bool {
        let indexed = self.generation.load(Ordering::Acquire);
        indexed != 0
            && !self.presence.is_gone()
            && generation == indexed
            && self.index.rows(key(&hash), 1, |_| true).is_empty()
    }

    /// Brings the index up to date after a question that it could not answer, in a task of its own.
    pub(super) fn learn(self: &Arc<Self>) {
        let generation = self.presence.database.generation();
        let current = self.generation.load(Ordering::Acquire) == generation;
        if generation == 0 || current || self.updating.swap(true, Ordering::AcqRel) {
            return;
        }
        let misses = Arc::clone(self);
        tokio::spawn(async move {
            let store_dir = misses.presence.store_dir.clone();
            let entries = move |rows: Vec<(i64, String)>| {
                let path = |path: &str| store_dir.parse_path(path).ok();
                let entry = |(id, text): &(i64, String)| Some((key(&path(text)?.hash_part()), *id));
                Ok(rows.iter().filter_map(entry).collect())
            };
            let (index, asked) = (&misses.index, misses.index.asked());
            let database = &misses.presence.database;
            let extended =
                index.extend(asked, database, database.path(), PATHS_BEHIND_ROW, entries).await;
            // A full index proves no miss. The generation is the one from before.
            if extended.is_ok() && index.full_behind().is_none() {
                misses.generation.store(generation, Ordering::Release);
            }
            misses.updating.store(false, Ordering::Release);
        });
    }
}
