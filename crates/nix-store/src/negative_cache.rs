//! Paths that are certainly not there, without a question to the database.
//!
//! Most questions that a cache is asked are about paths that it does not have. An index of all hash parts answers them,
//! but only when it was brought up to date in the very state that the database is in now: a miss that is not
//! true costs a client an hour. Otherwise the database is asked, and the index is brought up to date
//! meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use rns_formats::HashPart;

use crate::{hash_key::key, index::LazyIndex, store_presence::StorePresence};

const PATHS: &str = "select id, path from ValidPaths where id > ?1 order by id limit ?2";

/// The index and the state of the database that it is of.
pub(crate) struct NegativeCache {
    presence: Arc<StorePresence>,
    index: LazyIndex,
    /// 0 before the first time.
    generation: AtomicU64,
    updating: AtomicBool,
}

impl NegativeCache {
    /// Of at most `entries` paths of this store.
    pub(crate) fn new(presence: Arc<StorePresence>, entries: usize) -> Self {
        Self {
            presence,
            index: LazyIndex::new("paths", entries),
            generation: AtomicU64::new(0),
            updating: AtomicBool::new(false),
        }
    }

    /// Whether no valid path has this hash part in this state of the database, which is the present one. `false` says
    /// nothing.
    pub(crate) fn is_surely_absent(&self, hash: HashPart, generation: u64) -> bool {
        let indexed = self.generation.load(Ordering::Acquire);
        indexed != 0
            && !self.presence.is_gone()
            && generation == indexed
            && self.index.rows(key(&hash), 1, |_| true).is_empty()
    }

    /// Brings the index up to date after a question that it could not answer, in a task of its own.
    pub(crate) fn learn(self: &Arc<Self>) {
        let generation = self.presence.database.generation();
        let current = self.generation.load(Ordering::Acquire) == generation;
        if generation == 0 || current || self.updating.swap(true, Ordering::AcqRel) {
            return;
        }
        let absent = Arc::clone(self);
        tokio::spawn(async move {
            let store_dir = absent.presence.store_dir.clone();
            let entries = move |rows: Vec<(i64, String)>| {
                let path = |path: &str| store_dir.parse_path(path).ok();
                let entry = |(id, text): &(i64, String)| Some((key(&path(text)?.hash_part()), *id));
                Ok(rows.iter().filter_map(entry).collect())
            };
            let (index, asked) = (&absent.index, absent.index.asked());
            let database = &absent.presence.database;
            let extended = index.extend(asked, database, database.path(), PATHS, entries).await;
            // What does not fit cannot be known to be absent. The generation is the one from before.
            if extended.is_ok() && index.full_behind().is_none() {
                absent.generation.store(generation, Ordering::Release);
            }
            absent.updating.store(false, Ordering::Release);
        });
    }
}
