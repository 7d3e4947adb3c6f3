//! Paths that are certainly not there, without a question to the database.
//!
//! Most questions that a cache is asked are about paths that it does not have. An index of all hash parts answers them,
//! but only when it was brought up to date in the very state that the database is in now: a miss that is not
//! true costs a client an hour. Otherwise the database is asked, and the index is brought up to date
//! meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rns_formats::{HashPart, StorePath};

use crate::{LocalStore, index::LazyIndex};

const PATHS: &str = "select id, path from ValidPaths where id > ?1 order by id limit ?2";

/// The index and the state of the database that it is of.
pub(crate) struct NegativeCache {
    index: LazyIndex,
    /// 0 before the first time.
    generation: AtomicU64,
    updating: AtomicBool,
}

impl NegativeCache {
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            index: LazyIndex::new("paths", entries),
            generation: AtomicU64::new(0),
            updating: AtomicBool::new(false),
        }
    }
}

impl LocalStore {
    /// Whether no valid path has this hash part in this state of the database, which is the present one. `false` says
    /// nothing.
    pub(crate) fn is_surely_absent(&self, hash: HashPart, generation: u64) -> bool {
        let absent = &self.shared().negative_cache;
        let indexed = absent.generation.load(Ordering::Acquire);
        indexed != 0
            && !self.shared().presence.is_gone()
            && generation == indexed
            && absent.index.rows(key(&hash), 1, |_| true).is_empty()
    }

    /// Brings the index up to date after a question that it could not answer. Nobody waits for that.
    pub(crate) fn learn_paths(&self) {
        let absent = &self.shared().negative_cache;
        let generation = self.generation();
        let current = absent.generation.load(Ordering::Acquire) == generation;
        if generation == 0 || current || absent.updating.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            let shared = store.shared();
            let absent = &shared.negative_cache;
            let store_dir = shared.config.store_dir.clone();
            let entries = move |rows: Vec<(i64, String)>| {
                let path = |path: &str| store_dir.parse_path(path).ok();
                Ok(rows
                    .iter()
                    .filter_map(|(id, text)| Some((path_key(&path(text)?), *id)))
                    .collect())
            };
            let asked = absent.index.asked();
            let extended = absent
                .index
                .extend(asked, &shared.database, &shared.config.database, PATHS, entries)
                .await;
            // What does not fit cannot be known to be absent. The generation is the one from before.
            if extended.is_ok() && absent.index.full_behind().is_none() {
                absent.generation.store(generation, Ordering::Release);
            }
            absent.updating.store(false, Ordering::Release);
        });
    }
}

fn path_key(path: &StorePath) -> u64 {
    key(&path.hash_part())
}

/// The beginning of the hash part. Paths are hashes, so that these differ.
pub(crate) fn key(hash: &HashPart) -> u64 {
    let mut bytes = [0; 8];
    for (byte, from) in bytes.iter_mut().zip(hash.as_bytes()) {
        *byte = *from;
    }
    u64::from_be_bytes(bytes)
}
