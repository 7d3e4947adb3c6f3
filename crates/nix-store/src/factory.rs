//! The caches that one local store appears as.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rns_cache::{
    BackendStats, BinaryCache, CacheFactory, ExposurePolicy, IdleWork, IsBusy, UploadTarget,
};

use crate::{
    CompressedCache, Exposures, ImportConfig, Imports, LocalStore, NarCache, Spool, StoreConfig,
    StoreTarget,
    nar_cache::{Prewarm, prewarm},
};

/// A local store and its adapters: each cache through its policy, all with the same compressed NARs. Clones share them.
#[derive(Clone)]
pub struct LocalCaches {
    store: Arc<Exposures>,
    compression: Option<CompressedNars>,
    prewarm: Prewarm,
    imports: Option<(Arc<Imports>, ImportConfig)>,
}

/// Compressed NARs, and the caches that have them.
#[derive(Clone)]
struct CompressedNars {
    nars: Arc<NarCache>,
    offer: Option<crate::Codec>,
    /// The caches that are in use.
    caches: Arc<InUse>,
}

type InUse = Mutex<Vec<Weak<CompressedCache>>>;

impl LocalCaches {
    /// The caches of a store. Nothing of the store is opened yet; see [`LocalStore::open`].
    #[must_use]
    pub fn open(config: StoreConfig) -> Self {
        let (nar_cache, prewarm) = (config.nar_cache.clone(), config.prewarm.clone());
        let compression = nar_cache.map(|config| CompressedNars {
            offer: config.offer,
            nars: NarCache::open(config),
            caches: Arc::default(),
        });
        let store = Arc::new(Exposures::new(LocalStore::open(config)));
        Self { store, compression, prewarm, imports: None }
    }

    /// The same, which take uploads where the store has a daemon.
    #[must_use]
    pub fn with_uploads(mut self, spool: Spool, config: ImportConfig) -> Self {
        let imports = Imports::new(self.store.store().clone(), spool, &config);
        self.imports = imports.map(|imports| (Arc::new(imports), config));
        self
    }

    /// The same under another configuration of uploads, whose directories are not looked at.
    #[must_use]
    pub fn with_import_config(mut self, config: ImportConfig) -> Self {
        self.imports = self.imports.map(|(imports, _)| (imports, config));
        self
    }
}

impl LocalCaches {
    fn prewarming(&self, is_busy: Arc<IsBusy>) -> Option<IdleWork> {
        let compression = self.compression.as_ref().filter(|_| self.prewarm.is_wanted())?;
        let caches = Arc::clone(&compression.caches);
        let in_use = move || {
            let caches = caches.lock().unwrap_or_else(PoisonError::into_inner);
            caches.iter().filter_map(Weak::upgrade).map(|cache| (*cache).clone()).collect()
        };
        let sources = (Arc::clone(&self.store), compression.offer?);
        Some(Box::pin(prewarm::run(self.prewarm.clone(), sources, Arc::new(in_use), is_busy)))
    }
}

impl CacheFactory for LocalCaches {
    fn cache(&self, _: Option<&str>, expose: &ExposurePolicy) -> Arc<dyn BinaryCache> {
        // A policy that hides nothing costs nothing.
        let store: Arc<dyn BinaryCache> = match expose.is_everything() {
            true => Arc::new(self.store.store().clone()),
            false => Arc::new(self.store.cache(expose)),
        };
        let Some(CompressedNars { nars, offer, caches }) = &self.compression else { return store };
        let cache = Arc::new(CompressedCache::new(store, Arc::clone(nars), *offer));
        let mut caches = caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(Arc::downgrade(&cache));
        cache
    }

    fn uploads(&self, name: Option<&str>, expose: &ExposurePolicy) -> Option<UploadTarget> {
        let (imports, config) = self.imports.as_ref()?;
        let all = self.cache(name, &ExposurePolicy::default());
        let shown = self.cache(name, expose);
        let imports = (Arc::clone(imports), name);
        let target = StoreTarget::new(imports, config, shown, all, expose.names.clone());
        let view = Arc::new(target.promising());
        Some(UploadTarget { target: Arc::new(target), view, is_whole: false })
    }

    fn take_effect(&self) {
        if let Some((imports, config)) = &self.imports {
            imports.reconfigure(config);
        }
    }

    fn stats(&self) -> BackendStats {
        let nar_cache = self.compression.as_ref().map(|compression| compression.nars.stats());
        BackendStats {
            nar_cache: nar_cache.unwrap_or_default(),
            disk: self.imports.as_ref().and_then(|(imports, _)| imports.disk()),
            ..self.store.store().numbers()
        }
    }

    fn idle_work(&self, is_busy: Arc<IsBusy>) -> Option<IdleWork> {
        let prewarming = self.prewarming(is_busy);
        let Some((imports, _)) = self.imports.clone() else { return prewarming };
        Some(Box::pin(async {
            let prewarming = async {
                if let Some(prewarming) = prewarming {
                    prewarming.await;
                }
            };
            tokio::join!(Arc::clone(&imports).keep_house(), imports.keep_room(), prewarming);
        }))
    }
}
