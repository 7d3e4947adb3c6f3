//! The caches of the configuration, put together from the backends: the local store, a storage, or both.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context as _;
use rns_cache::{
    BackendStats, BinaryCache, CacheFactory, EmptyCache, ExposurePolicy, IdleWork, IsBusy, Layered,
    UploadTarget,
};
use rns_formats::StoreDir;
use rns_nix_store::{LocalCaches, Spool, StoreConfig};
use rns_storage::{
    index::{Index, IndexError},
    objects::Objects,
    read::StorageReader,
    write::{Elsewhere, Nowhere, PushView, Storage, Upstreams},
};
use tokio::time::timeout;

use crate::{
    collector::CollectorHandle,
    config::{BackendsConfig, StorageConfig},
    storage_index::open_index,
};

/// The backends of all caches, under one configuration.
pub(crate) struct Backends {
    local: Option<LocalCaches>,
    storage: Option<Storage>,
    /// The collector, where one runs.
    collector: Option<CollectorHandle>,
    config: BackendsConfig,
    store_dir: StoreDir,
}

/// How long the start waits for a bucket that has to be made a binary cache.
const INITIALISE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the start waits for an index to say which storage it is of.
const INDEX_TIMEOUT: Duration = Duration::from_secs(5);

/// The storage that is configured, if there is one. A bucket that cannot be reached is no error: it is asked with each
/// request.
///
/// # Errors
/// When the directory of a storage cannot be used, or the credentials of a bucket not be read.
pub(crate) fn open_storage(
    config: &BackendsConfig,
    store_dir: &StoreDir,
) -> anyhow::Result<Option<StorageReader>> {
    let Some(storage) = &config.storage else { return Ok(None) };
    let objects = Objects::open(&storage.url, storage.sync).context("cannot use storage.url")?;
    let reader = StorageReader::new(objects, store_dir.clone(), storage.memory_bytes);
    Ok(Some(reader.with_redirects(storage.redirect)))
}

/// The storage that is configured, if there is one, ready for uploads.
///
/// # Errors
/// As [`open_storage`] and [`open_index`].
pub(crate) fn open_for_uploads(
    config: &BackendsConfig,
    store_dir: &StoreDir,
) -> anyhow::Result<Option<Storage>> {
    let (Some(reader), Some(config)) = (open_storage(config, store_dir)?, &config.storage) else {
        return Ok(None);
    };
    let elsewhere = elsewhere(config, store_dir)?;
    let index = open_index(config, reader.objects())?;
    // The connections of this one end with the runtime that they begin in.
    let checked = open_index(config, reader.objects())?;
    let storage = Storage::new(reader, index, elsewhere, config.limits)
        .with_retention(config.retention.clone())
        .with_direct_uploads(config.direct);
    initialise(&storage, &*checked)?;
    Ok(Some(storage))
}

/// The caches that clients always have.
///
/// # Errors
/// When their client cannot be set up.
pub(crate) fn elsewhere(
    config: &StorageConfig,
    store_dir: &StoreDir,
) -> anyhow::Result<Arc<dyn Elsewhere>> {
    Ok(match config.assume_upstream.as_slice() {
        [] => Arc::new(Nowhere),
        urls => {
            let upstreams = Upstreams::new(urls.to_vec(), store_dir.clone());
            Arc::new(upstreams.context("cannot use upload.assume_upstream")?)
        }
    })
}

/// Where NARs wait that are uploaded into the local store, where that is the target of uploads.
///
/// # Errors
/// When the directory cannot be used.
pub(crate) fn open_spool(config: &BackendsConfig) -> anyhow::Result<Option<Spool>> {
    let Some(import) = &config.import else { return Ok(None) };
    let directory = import.spool_directory.clone();
    let spool = Spool::open(directory, import.spool_size, import.spool_age);
    let spool = spool.with_context(|| {
        let directory = import.spool_directory.display();
        format!("cannot use upload.spool_directory, {directory}")
    })?;
    Ok(Some(spool))
}

/// Makes an empty storage a binary cache. One that cannot be written is read as it is, and an index that cannot be reached is
/// waited for.
///
/// # Errors
/// When the index is of another storage.
fn initialise(storage: &Storage, index: &dyn Index) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(async { timeout(INDEX_TIMEOUT, index.check()).await });
    if let Ok(Err(error @ IndexError::OtherStorage { .. })) = checked {
        return Err(error).context("cannot use index.url");
    }
    let initialised =
        runtime.block_on(async { timeout(INITIALISE_TIMEOUT, storage.initialise()).await });
    match initialised {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("nix-cache-info cannot be written: {error}"),
        Err(_) => tracing::warn!("nix-cache-info cannot be written: the storage does not answer"),
    }
    Ok(())
}

impl Backends {
    /// Opens the local store, where it is one of them. It may start threads.
    pub(crate) fn open(
        config: &BackendsConfig,
        store: StoreConfig,
        (storage, collector): (Option<Storage>, Option<CollectorHandle>),
        spool: Option<Spool>,
    ) -> Self {
        let store_dir = store.store_dir.clone();
        let local = config.has_local_store.then(|| LocalCaches::open(store));
        let local = local.map(|local| match (spool, config.import.clone()) {
            (Some(spool), Some(import)) => local.with_uploads(spool, import),
            _ => local,
        });
        Self { local, storage, collector, config: config.clone(), store_dir }
    }

    /// The same backends under another configuration. Places, databases and whether they are there at all stay as they were
    /// opened. Nothing changes for the caches of `self`.
    ///
    /// # Errors
    /// When the client of `upload.assume_upstream` cannot be set up.
    pub(crate) fn reconfigured(&self, new: &BackendsConfig) -> anyhow::Result<Self> {
        let local = self.local.clone().map(|local| match new.import.clone() {
            Some(import) => local.with_import_config(import),
            None => local,
        });
        let storage = match (&self.storage, &self.config.storage, &new.storage) {
            (Some(storage), Some(old), Some(new)) => {
                Some(self.storage_reconfigured(storage, old, new)?)
            }
            _ => self.storage.clone(),
        };
        Ok(Self {
            local,
            storage,
            collector: self.collector.clone(),
            config: new.clone(),
            store_dir: self.store_dir.clone(),
        })
    }

    fn storage_reconfigured(
        &self,
        storage: &Storage,
        old: &StorageConfig,
        new: &StorageConfig,
    ) -> anyhow::Result<Storage> {
        let storage = storage
            .clone()
            .with_retention(new.retention.clone())
            .with_direct_uploads(new.direct)
            .with_max_nar_size(new.limits.max_nar_size)
            .with_redirects(new.redirect);
        // The same upstreams go on with their memory of paths.
        if old.assume_upstream == new.assume_upstream {
            return Ok(storage);
        }
        Ok(storage.with_elsewhere(elsewhere(new, &self.store_dir)?))
    }
}

impl CacheFactory for Backends {
    /// The policy is about the local store: paths in a storage were put there on purpose. A token that is confined to
    /// some names sees nothing of a storage, whose NARs are not named by their paths.
    fn cache(&self, name: Option<&str>, expose: &ExposurePolicy) -> Arc<dyn BinaryCache> {
        let local = self.local.as_ref().map(|local| local.cache(name, expose));
        let storage = self.storage.as_ref().filter(|_| expose.names.is_empty());
        let storage =
            storage.map(|storage| Arc::new(storage.reader().clone()) as Arc<dyn BinaryCache>);
        match (local, storage) {
            (Some(local), Some(storage)) => Arc::new(Layered::new(local, vec![storage])),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => Arc::new(EmptyCache::new(self.store_dir.clone())),
        }
    }

    fn uploads(&self, name: Option<&str>, expose: &ExposurePolicy) -> Option<UploadTarget> {
        // Where the local store is the target, a storage is only read.
        if let Some(uploads) = self.local.as_ref().and_then(|local| local.uploads(name, expose)) {
            return Some(uploads);
        }
        let storage = self.storage.as_ref()?;
        Some(UploadTarget {
            target: Arc::new(storage.clone()),
            view: Arc::new(PushView::new(storage.clone(), expose.names.clone())),
            is_whole: self.local.is_none(),
        })
    }

    fn take_effect(&self) {
        if let Some(local) = &self.local {
            local.take_effect();
        }
        let (Some(storage), Some(config)) = (&self.storage, &self.config.storage) else { return };
        storage.resize_decoder_memory(config.limits.decoder_memory);
        storage.reader().resize_memory(config.memory_bytes);
        if let Some(collector) = &self.collector {
            collector.follow(config);
        }
    }

    fn stats(&self) -> BackendStats {
        let stats = self.local.as_ref().map(CacheFactory::stats).unwrap_or_default();
        BackendStats { retention: self.collector.as_ref().map(CollectorHandle::stats), ..stats }
    }

    fn idle_work(&self, is_busy: Arc<IsBusy>) -> Option<IdleWork> {
        self.local.as_ref()?.idle_work(is_busy)
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backends").field("store_dir", &self.store_dir).finish_non_exhaustive()
    }
}
