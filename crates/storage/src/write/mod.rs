//! The storage as a binary cache that takes uploads.

mod content_address;
mod documents;
mod nar;
mod publish;
mod push_view;
mod upstreams;

pub(crate) use self::publish::{agree, imported};
pub use self::{push_view::PushView, upstreams::Upstreams};

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{
    BackendStats, BinaryCache, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NarUpload,
    NotReady, PathRecord, Peek, PublishError, Published, Pusher, Served, WritableCache,
};
use rns_formats::{
    BuildId, BuildTraceEntry, CacheInfo, Compression, DrvOutputId, HashPart, LogName, NarInfo,
    NarName, Realisation, ServePath, StoreDir, StorePath,
};

use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::{
    index::{Index, IndexError},
    objects::{ObjectError, ObjectKey, Objects},
    read::{StorageReader, unavailable},
};

/// Paths that clients can always get from somewhere else, so that they need not be stored here.
#[async_trait]
pub trait Elsewhere: Send + Sync {
    /// What is on record of the path there, with the absolute URL of its NAR.
    async fn record(&self, hash: &HashPart) -> Presence;
}

/// Whether a path is elsewhere.
#[derive(Clone, Debug)]
pub enum Presence {
    /// It is.
    Here(Box<PathRecord>),
    /// It is not: every place was asked.
    Missing,
    /// A place could not be asked.
    Unknown,
}

/// There is nothing elsewhere.
#[derive(Debug)]
pub struct Nowhere;

#[async_trait]
impl Elsewhere for Nowhere {
    async fn record(&self, _: &HashPart) -> Presence {
        Presence::Missing
    }
}

/// NARs that are checked at the same time; others wait for their turn.
const MAX_UPLOADS: usize = 64;

/// Locks that all narinfos share.
const NARINFO_LOCKS: usize = 64;

/// What a storage takes.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// The largest NAR, decompressed, in bytes.
    pub max_nar_size: u64,
}

impl Default for UploadLimits {
    /// 64 GiB: images of machines are that large, bombs are larger.
    fn default() -> Self {
        Self { max_nar_size: 64 << 30 }
    }
}

/// A directory or bucket that takes uploads. Clones share everything.
#[derive(Clone)]
pub struct Storage {
    reader: StorageReader,
    index: Arc<dyn Index>,
    elsewhere: Arc<dyn Elsewhere>,
    limits: UploadLimits,
    /// One permit for each NAR that is checked: each takes two threads and some memory.
    uploads: Arc<Semaphore>,
    /// Lets one order at a time read a narinfo and write it back.
    narinfo_locks: Arc<[Mutex<()>; NARINFO_LOCKS]>,
}

impl Storage {
    /// What `reader` reads, with its index.
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
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            narinfo_locks: Arc::new(std::array::from_fn(|_| Mutex::new(()))),
        }
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

    /// Held while a narinfo is read and written back. Of several servers, each holds its own.
    async fn narinfo_lock(&self, hash: &HashPart) -> Option<MutexGuard<'_, ()>> {
        let number = usize::from(*hash.as_bytes().first()?) % NARINFO_LOCKS;
        Some(self.narinfo_locks.get(number)?.lock().await)
    }

    fn objects(&self) -> &Objects {
        self.reader.objects()
    }

    /// Whether a path is elsewhere, and whether that could be found out.
    pub(crate) async fn presence_elsewhere(&self, hash: &HashPart) -> Presence {
        self.elsewhere.record(hash).await
    }

    /// Makes an empty directory or bucket a binary cache; one that is a cache already is left as it is.
    ///
    /// # Errors
    /// `Unavailable`; `NotACache` when the cache there is for another store directory.
    pub async fn initialise(&self) -> Result<(), ObjectError> {
        initialise(self.objects(), self.reader.store_dir()).await
    }
}

/// Writes `nix-cache-info`, unless it is there.
pub(crate) async fn initialise(objects: &Objects, store_dir: &StoreDir) -> Result<(), ObjectError> {
    /// Enough for a file with comments.
    const MAX_CACHE_INFO_BYTES: u64 = 64 << 10;
    let key = ObjectKey::cache_info();
    if let Some(text) = objects.read_small(&key, MAX_CACHE_INFO_BYTES).await? {
        let text = String::from_utf8_lossy(&text);
        return match CacheInfo::parse(&text) {
            Ok(info) if info.store_dir == *store_dir => Ok(()),
            _ => Err(ObjectError::NotACache {
                storage: objects.to_string(),
                why: "its nix-cache-info is for another store directory",
            }),
        };
    }
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

#[async_trait]
impl BinaryCache for Storage {
    fn store_dir(&self) -> &StoreDir {
        self.reader.store_dir()
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        self.reader.peek(hash)
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        self.reader.path_info(hash).await
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        self.reader.nar(name).await
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        self.reader.listing(hash).await
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        self.reader.log(name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        self.reader.realisation(id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        self.reader.build_trace(drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        self.reader.debug_info(id).await
    }

    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError> {
        self.reader.file(hash, path).await
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.reader.readiness().await
    }

    fn stats(&self) -> BackendStats {
        self.reader.stats()
    }
}

#[async_trait]
impl WritableCache for Storage {
    async fn begin_nar(
        &self,
        name: &NarName,
        length: Option<u64>,
    ) -> Result<Box<dyn NarUpload>, PublishError> {
        nar::begin(self, name, length).await
    }

    async fn publish(&self, narinfo: &NarInfo, pusher: &Pusher) -> Result<Published, PublishError> {
        publish::publish(self, narinfo, pusher).await
    }

    async fn decompress(
        &self,
        compression: Compression,
        bytes: Bytes,
        limit: u64,
    ) -> Result<Bytes, PublishError> {
        documents::decompress(compression, bytes, limit).await
    }

    async fn promise_path(&self, hash: &HashPart) -> Result<bool, CacheError> {
        self.index.touch_path(hash).await.map_err(index_unavailable)
    }

    async fn promise_nar(&self, name: &NarName) -> Result<bool, CacheError> {
        self.index.touch_nar(&ObjectKey::nar(name)).await.map_err(index_unavailable)
    }

    async fn is_elsewhere(&self, hash: &HashPart) -> bool {
        matches!(self.elsewhere.record(hash).await, Presence::Here(_))
    }

    async fn put_listing(&self, hash: HashPart, json: Bytes) -> Result<(), PublishError> {
        documents::put_listing(self.objects(), hash, json).await
    }

    async fn put_log(&self, name: &LogName, text: Bytes) -> Result<(), PublishError> {
        documents::put_log(self.objects(), name, text).await
    }

    async fn put_realisation(&self, realisation: &Realisation) -> Result<(), PublishError> {
        documents::put_realisation(&self.reader, realisation).await
    }

    async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), PublishError> {
        documents::put_build_trace(&self.reader, entry).await
    }

    async fn put_debug_info(&self, id: &BuildId, info: &DebugInfo) -> Result<(), PublishError> {
        documents::put_debug_info(self.objects(), id, info).await
    }

    async fn delete(&self, hash: HashPart) -> Result<bool, PublishError> {
        publish::delete(self, hash).await
    }
}
