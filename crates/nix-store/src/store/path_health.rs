//! The health of paths: which were found damaged, which were read and had the right hash.
//!
//! Damage is remembered together with the state of the files it was found in, and looked at again whenever a path is
//! asked for: once the files have changed, it is forgotten. There is no timer that others would have to agree with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;
use rns_formats::{HashPart, StorePath};

use crate::{
    CacheError,
    db::path_by_hash_part,
    file_io::file_time::FileTime,
    nar::{LayoutKey, RootStamp, TreeStamp},
    store::store_presence::StorePresence,
};

/// How often the whole tree of a damaged path is looked at; its root is looked at each time.
const STAMP_INTERVAL: Duration = Duration::from_secs(1);

/// Paths remembered of each kind.
const MAX_REMEMBERED_PATHS: usize = 16_384;

pub(crate) struct PathHealth {
    store: Arc<StorePresence>,
    damaged: Cache<HashPart, Damage>,
    /// Whether any damage was ever found: usually there is none to look for.
    found_any: AtomicBool,
    /// When the reading began that found the right hash.
    verified: Cache<LayoutKey, FileTime>,
    found: AtomicU64,
}

#[derive(Clone, Copy)]
struct Damage {
    row: i64,
    root: RootStamp,
    tree: u64,
    looked: Instant,
}

/// The health of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// No damage is known.
    Sound,
    /// Damage was known, and the files have changed since: nothing that was derived from them counts any more.
    Changed,
    /// It is known to be damaged.
    Damaged,
}

impl PathHealth {
    pub(crate) fn new(store: Arc<StorePresence>) -> Self {
        Self {
            store,
            damaged: Cache::new(MAX_REMEMBERED_PATHS),
            found_any: AtomicBool::new(false),
            verified: Cache::new(MAX_REMEMBERED_PATHS),
            found: AtomicU64::new(0),
        }
    }

    /// Whether the path was found damaged. It may have been repaired since, which [`Self::look`] finds out.
    /// Never waits.
    pub(crate) fn is_suspect(&self, hash: &HashPart) -> bool {
        self.found_any.load(Ordering::Acquire) && self.damaged.peek(hash).is_some()
    }

    /// Whether any path was ever found damaged. Never waits.
    pub(crate) fn is_any_suspect(&self) -> bool {
        self.found_any.load(Ordering::Acquire)
    }

    /// Looks whether a path that was found damaged has not changed since. Blocks.
    pub(crate) fn look(&self, key: &LayoutKey, path: &StorePath) -> Health {
        if !self.is_suspect(&key.hash) {
            return Health::Sound;
        }
        let Some(known) = self.damaged.get(&key.hash) else { return Health::Sound };
        let is_same = known.row == key.row
            && known.root == RootStamp::of(&self.store.real_dir, path)
            && (known.looked.elapsed() < STAMP_INTERVAL
                || known.tree == TreeStamp::of(&self.store.real_dir, path).digest);
        if is_same {
            if known.looked.elapsed() >= STAMP_INTERVAL {
                self.damaged.insert(key.hash, Damage { looked: Instant::now(), ..known });
            }
            return Health::Damaged;
        }
        self.damaged.remove(&key.hash);
        if known.row == key.row {
            tracing::info!("{path} has changed since it was found damaged: it is served again");
        }
        Health::Changed
    }

    /// Judges a failure with the files of a path, whose reading began at `started`. One that has been removed from
    /// the store meanwhile is not damaged, nor is one whose whole store is not there. Damage is remembered and told to the operator, once. Blocks.
    pub(crate) fn judge(&self, key: LayoutKey, started: FileTime, error: CacheError) -> CacheError {
        let CacheError::Damaged { path, .. } = &error else { return error };
        self.verified.remove(&key);
        if self.was_removed(&key) {
            return CacheError::Gone { object: path.to_string() };
        }
        let tree = TreeStamp::of(&self.store.real_dir, path);
        if matches!(tree.root, RootStamp::Refused(_))
            && let Err(error) = self.store.look()
        {
            return error;
        }
        self.found.fetch_add(1, Ordering::Relaxed);
        if tree.changed >= started {
            // It was repaired, perhaps, while it was read: the next reader finds out.
            tracing::warn!("it was changed while it was read: {error}");
            return error;
        }
        if self.damaged.peek(&key.hash).is_none_or(|known| known.tree != tree.digest) {
            tracing::error!("not served: {error}");
        }
        self.found_any.store(true, Ordering::Release);
        let damage =
            Damage { row: key.row, root: tree.root, tree: tree.digest, looked: Instant::now() };
        self.damaged.insert(key.hash, damage);
        error
    }

    /// Whether the row that was read is not there any more. While the database does not answer, nothing is known of that.
    fn was_removed(&self, key: &LayoutKey) -> bool {
        let StorePresence { database, store_dir, .. } = &*self.store;
        let row =
            database.ask_blocking(|connection| path_by_hash_part(connection, store_dir, key.hash));
        match row {
            Ok(Some(Some(Ok(row)))) => row.id != key.row,
            Ok(None | Some(None)) => true,
            Ok(Some(Some(Err(_)))) | Err(_) => false,
        }
    }

    /// How often damage was found.
    pub(crate) fn damaged_so_far(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// When the reading began in which the whole NAR had the registered hash. A file that was changed after that is not
    /// the verified one.
    pub(crate) fn verified_at(&self, key: &LayoutKey) -> Option<FileTime> {
        self.verified.get(key)
    }

    pub(crate) fn note_verified(&self, key: LayoutKey, started: FileTime) {
        self.verified.insert(key, started);
    }

    /// A file was changed after the verification: the next whole read checks again.
    pub(crate) fn forget_verified(&self, key: &LayoutKey) {
        self.verified.remove(key);
    }
}
