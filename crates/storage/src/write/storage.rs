//! A directory or bucket that takes uploads, as its parts share it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rns_cache::{CacheError, PublishError, RootSizes};
use rns_formats::{
    CacheInfo, HashPart, MAX_CACHE_INFO_BYTES, NarName, RootName, StoreDir, StorePath,
};
use rns_verify::{DecoderMemory, MAX_CHECKED_NARS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    elsewhere::{Elsewhere, Presence},
    intakes::{DirectUploads, Intakes},
    outlook_cache::OutlookCache,
    timed_cache::TimedCache,
    wrong_nars::WrongNars,
};
use crate::{
    blocking::on_one_thread,
    index::{Exclusive, Index, IndexError, IndexLock, NarState},
    objects::{NARS, ObjectError, ObjectKey, Objects},
    read::{StorageReader, unavailable},
    retention::Retention,
};

/// NARs that are read and verified where they lie at the same time: each takes two threads and some memory.
const MAX_STORED_READS: usize = 16;

/// Tasks whose steps block and share a thread, at the same time: far fewer than there are threads, since they wait for each
/// other.
const MAX_LOCAL_TASKS: usize = 16;

/// How old an unfinished file must be before it is taken for that of a writer that was killed.
pub(crate) const STAGING_GRACE: Duration = Duration::from_secs(24 * 3600);

/// The limits of uploads to a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// The largest NAR, decompressed, in bytes.
    pub max_nar_size: u64,
    /// Memory for the decoders of all NARs that are checked, in bytes. More wait for their turn.
    pub decoder_memory: u64,
}

impl Default for UploadLimits {
    /// 64 GiB: images of machines are that large, bombs are larger.
    fn default() -> Self {
        Self { max_nar_size: 64 << 30, decoder_memory: 64 << 20 }
    }
}

/// A directory or bucket that takes uploads. Clones share its connections and its index, each under its own settings.
#[derive(Clone)]
pub struct Storage {
    pub(super) reader: StorageReader,
    pub(super) index: Arc<dyn Index>,
    pub(super) elsewhere: Arc<dyn Elsewhere>,
    pub(super) limits: UploadLimits,
    pub(super) retention: Arc<Retention>,
    /// Memory for decoders: the windows of clients may be large.
    pub(super) decoder_memory: Arc<DecoderMemory>,
    /// One permit for each NAR that is checked: each takes two threads and some memory.
    pub(super) uploads: Arc<Semaphore>,
    /// One permit for each NAR that is read where it lies, which goes on without its client: uploads do not wait for these.
    pub(super) stored_reads: Arc<Semaphore>,
    /// One permit for each task that has a thread of its own.
    local_tasks: Arc<Semaphore>,
    /// Which NARs clients send to the bucket themselves.
    pub(super) direct: Option<DirectUploads>,
    /// Whether clients may have sent NARs to the bucket, now or under an earlier configuration.
    pub(super) takes_in: bool,
    pub(super) intakes: Intakes,
    pub(super) wrong_nars: WrongNars,
    pub(super) root_sizes: TimedCache<Option<Arc<RootSizes>>>,
    pub(super) outlooks: OutlookCache,
}

impl Storage {
    /// The storage of `reader`, with its index.
    #[must_use]
    pub fn new(
        reader: StorageReader,
        index: Arc<dyn Index>,
        elsewhere: Arc<dyn Elsewhere>,
        limits: UploadLimits,
    ) -> Self {
        Self {
            reader,
            index,
            elsewhere,
            limits,
            retention: Arc::default(),
            decoder_memory: DecoderMemory::new(limits.decoder_memory),
            uploads: Arc::new(Semaphore::new(MAX_CHECKED_NARS)),
            stored_reads: Arc::new(Semaphore::new(MAX_STORED_READS)),
            local_tasks: Arc::new(Semaphore::new(MAX_LOCAL_TASKS)),
            direct: None,
            takes_in: false,
            intakes: Intakes::default(),
            wrong_nars: WrongNars::default(),
            root_sizes: TimedCache::default(),
            outlooks: OutlookCache::default(),
        }
    }

    /// The same, where clients send large NARs to the bucket themselves. Nothing changes for a directory.
    #[must_use]
    pub fn with_direct_uploads(mut self, direct: Option<DirectUploads>) -> Self {
        self.direct = direct.filter(|_| self.objects().directory().is_none());
        self.takes_in |= self.direct.is_some();
        self
    }

    /// The same with another largest NAR. Uploads that were begun end under their own limit.
    #[must_use]
    pub fn with_max_nar_size(mut self, max_nar_size: u64) -> Self {
        self.limits.max_nar_size = max_nar_size;
        self
    }

    /// Changes the memory for decoders of all clones, in bytes.
    pub fn resize_decoder_memory(&self, bytes: u64) {
        self.decoder_memory.resize(bytes);
    }

    /// The same, whose paths may be elsewhere.
    #[must_use]
    pub fn with_elsewhere(self, elsewhere: Arc<dyn Elsewhere>) -> Self {
        Self { elsewhere, ..self }
    }

    /// The same, read in another way.
    #[must_use]
    pub fn with_redirects(mut self, redirects: bool) -> Self {
        self.reader = self.reader.with_redirects(redirects);
        self
    }

    /// The same with this policy of retention; without one, everything stays.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention: Arc::new(retention), outlooks: OutlookCache::default(), ..self }
    }

    /// Its policy of retention.
    #[must_use]
    pub fn retention(&self) -> &Retention {
        &self.retention
    }

    /// The reading side.
    #[must_use]
    pub const fn reader(&self) -> &StorageReader {
        &self.reader
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &Arc<dyn Index> {
        &self.index
    }

    /// Enters a NAR of which the index knows at most that it was to arrive, so that no collector takes it for an orphan. Whether
    /// it was entered; then it stays for its grace if it is there. One that was found wrong is not: another one may come.
    pub(super) async fn keep_unknown_nar(&self, name: &NarName) -> Result<bool, CacheError> {
        let key = ObjectKey::nar(name);
        if self.wrong_nars.has(&key) {
            return Ok(false);
        }
        match self.index.nar_state(&key).await.map_err(index_unavailable)? {
            None | Some(NarState::Arriving) => {
                let is_kept = self.index.keep_nar(&key).await.map_err(index_unavailable)?;
                self.reader.forget_nar(&key);
                Ok(is_kept)
            }
            Some(NarState::Live | NarState::Condemned | NarState::Deleting) => Ok(false),
        }
    }

    /// Held while a narinfo is read and written back, or removed; by one server at a time.
    pub(crate) async fn lock_path(&self, hash: &HashPart) -> Result<IndexLock, IndexError> {
        self.index.lock(Exclusive::Path(hash)).await
    }

    /// Held while a NAR becomes visible and is indexed, or is removed from both.
    pub(crate) async fn lock_nar(&self, key: &ObjectKey) -> Result<IndexLock, CacheError> {
        self.index.lock(Exclusive::Nar(key)).await.map_err(index_unavailable)
    }

    /// Held while a root is set, deleted or expires; by one server at a time.
    pub(crate) async fn lock_root(&self, name: &RootName) -> Result<IndexLock, IndexError> {
        self.index.lock(Exclusive::Root(name)).await
    }

    /// Whether storage and index are on this machine, so that no step waits for a network.
    pub(super) fn has_local_index(&self) -> bool {
        self.index.is_local() && self.objects().directory().is_some()
    }

    /// The place of a task that has a thread of its own, if one is free.
    pub(super) fn try_local_task(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.local_tasks).try_acquire_owned().ok()
    }

    /// Runs a task whose steps block on one thread, if the storage is a local one.
    pub(super) async fn on_one_thread<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, CacheError> {
        let permit = Arc::clone(&self.local_tasks).acquire_owned().await;
        let permit = permit.map_err(|_| CacheError::ShuttingDown)?;
        let done = on_one_thread(async move {
            let _permit = permit;
            task.await
        });
        done.await.map_err(|_| CacheError::ShuttingDown)
    }

    /// Memory that all checks of NARs share.
    pub(crate) const fn decoder_memory(&self) -> &Arc<DecoderMemory> {
        &self.decoder_memory
    }

    pub(super) fn objects(&self) -> &Objects {
        self.reader.objects()
    }

    /// Whether a path is elsewhere, and whether that could be found out.
    pub(crate) async fn presence_elsewhere(&self, hash: &HashPart) -> Presence {
        self.elsewhere.record(hash).await
    }

    /// Whether no place is named where clients can get paths beside this one.
    pub(crate) fn names_nowhere_else(&self) -> bool {
        self.elsewhere.is_nowhere()
    }

    /// Whether this path, with its name, is elsewhere. A place that cannot be asked has nothing.
    pub(super) async fn has_elsewhere(&self, path: &StorePath) -> bool {
        match self.elsewhere.record(&path.hash_part()).await {
            Presence::Here(record) => record.info.path == *path,
            Presence::Missing | Presence::Unknown => false,
        }
    }

    /// Makes an empty directory or bucket a binary cache; one that is a cache already is left as it is. Files that writers that
    /// were killed left behind is removed in the background.
    ///
    /// # Errors
    /// `Unavailable`; `NotACache` when the cache there is for another store directory.
    pub async fn initialise(&self) -> Result<(), ObjectError> {
        initialise(self.objects(), self.reader.shared_store_dir()).await?;
        self.objects().sweep_in_background(STAGING_GRACE);
        Ok(())
    }
}

/// Writes `nix-cache-info`, unless it is there.
///
/// # Errors
/// `Unavailable`; `NotACache` when the cache there is for another store directory.
pub async fn initialise(objects: &Objects, store_dir: &StoreDir) -> Result<(), ObjectError> {
    let key = ObjectKey::cache_info();
    if let Some(text) = objects.read_small(&key, MAX_CACHE_INFO_BYTES as u64).await? {
        let text = String::from_utf8_lossy(&text);
        return match CacheInfo::parse(&text) {
            Ok(info) if info.store_dir == *store_dir => Ok(()),
            _ => Err(ObjectError::NotACache {
                storage: objects.to_string(),
                why: "its nix-cache-info is for another store directory",
            }),
        };
    }
    objects.make_folder(NARS).await?;
    let info =
        CacheInfo { store_dir: store_dir.clone(), want_mass_query: true, ..CacheInfo::default() };
    objects.write_small(&key, Bytes::from(info.to_string())).await
}

/// A failure of the index, as the server is told. Reading goes on without it.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(crate) fn index_unavailable(error: IndexError) -> CacheError {
    CacheError::Unavailable {
        what: error.to_string(),
        remedy: "uploads are refused until the database can be used; reading goes on",
    }
}

/// A failure of the storage while something is written.
pub(crate) fn not_stored(error: ObjectError) -> PublishError {
    if error.is_full() { PublishError::Full } else { unavailable(error).into() }
}
