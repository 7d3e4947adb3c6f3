//! The policies of one store that are in use.

use std::sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicU64};

use rns_cache::ExposurePolicy;

use super::{cache::ExposedCache, exposed_paths::ExposedPaths, source::DatabaseSource};
use crate::LocalStore;

/// A store, and the policies by which parts of it are shown. Caches with equal policies share their work.
pub struct Exposures {
    store: LocalStore,
    in_use: Mutex<Vec<Weak<ExposedPaths>>>,
    epochs: Arc<AtomicU64>,
}

impl Exposures {
    /// Of this store.
    #[must_use]
    pub fn new(store: LocalStore) -> Self {
        Self { store, in_use: Mutex::default(), epochs: Arc::default() }
    }

    /// The whole store.
    #[must_use]
    pub const fn store(&self) -> &LocalStore {
        &self.store
    }

    /// The store, of which this cache and its clones show only the paths that the policy exposes.
    ///
    /// Caches with equal policies share the work, which goes on in the background while one of them is there. It starts now
    /// where there is a tokio runtime, otherwise with the first question; until it is done for the first time, every
    /// question is answered with [`CacheError::Unavailable`](rns_cache::CacheError::Unavailable). To ask for a policy that
    /// is in use already makes everything be read again.
    #[must_use]
    pub fn cache(&self, policy: &ExposurePolicy) -> ExposedCache {
        let paths = self.paths(policy);
        paths.watch();
        ExposedCache::new(self.store.clone(), paths)
    }

    fn paths(&self, policy: &ExposurePolicy) -> Arc<ExposedPaths> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|paths| paths.strong_count() > 0);
        let same = |paths: &Weak<ExposedPaths>| paths.upgrade().filter(|it| *it.policy == *policy);
        if let Some(paths) = in_use.iter().find_map(same) {
            paths.rescan();
            return paths;
        }
        let source = DatabaseSource::of(&self.store);
        let paths = ExposedPaths::new(policy.clone(), source, Arc::clone(&self.epochs));
        in_use.push(Arc::downgrade(&paths));
        paths
    }
}
