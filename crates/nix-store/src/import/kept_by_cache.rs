//! The paths that each cache of a store keeps, in a folder of its own: no cache shows its pushers paths of others.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rns_formats::StoreDir;

use super::kept::{KeptPaths, Lifetime};
use crate::gcroots::{CACHES_FOLDER, cache_folder};

/// The kept paths of every cache. Those of caches that the configuration does not name any more are kept to their end.
pub(super) struct KeptByCache {
    directory: PathBuf,
    store_dir: StoreDir,
    lifetime: Arc<Lifetime>,
    /// By their folders.
    caches: Mutex<BTreeMap<PathBuf, KeptPaths>>,
}

impl KeptByCache {
    /// Learns which paths are kept below `directory`.
    pub(super) fn open(directory: PathBuf, store_dir: StoreDir, lifetime: Duration) -> Self {
        let lifetime = Arc::new(Lifetime::new(lifetime));
        let this = Self { directory, store_dir, lifetime, caches: Mutex::default() };
        this.in_folder(cache_folder(None));
        // Without the folder, or the right to read it, the kept paths are learned of with the caches.
        let folders = fs::read_dir(this.directory.join(CACHES_FOLDER));
        for entry in folders.into_iter().flatten().flatten() {
            this.in_folder(PathBuf::from(CACHES_FOLDER).join(entry.file_name()));
        }
        this
    }

    /// The paths that the cache with this name keeps.
    pub(super) fn of(&self, cache: Option<&str>) -> KeptPaths {
        self.in_folder(cache_folder(cache))
    }

    /// Changes how long paths are kept that are pushed, or told to a pusher, from now on.
    pub(super) fn keep_for(&self, lifetime: Duration) {
        self.lifetime.set(lifetime);
    }

    /// The paths of each cache.
    pub(super) fn all(&self) -> Vec<KeptPaths> {
        self.caches().values().cloned().collect()
    }

    fn in_folder(&self, folder: PathBuf) -> KeptPaths {
        let directory = self.directory.join(&folder);
        let open = || KeptPaths::open(directory, &self.store_dir, Arc::clone(&self.lifetime));
        self.caches().entry(folder).or_insert_with(open).clone()
    }

    fn caches(&self) -> MutexGuard<'_, BTreeMap<PathBuf, KeptPaths>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
