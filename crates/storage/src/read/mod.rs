//! The storage as a binary cache that is read. Neither index nor lock is needed for that.

mod blob;
mod directory_names;
mod documents;
mod file;
mod names_listing;
mod open_directory;
mod records;
mod sample;
mod uses;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use quick_cache::{Weighter, sync::Cache};
use reqwest::Method;
use rns_cache::{
    BinaryCache, Blob, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NotReady, PathRecord,
    Peek, ReadyNar, Served,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarName, Realisation,
    ServePath, StoreDir, StorePath,
};
use rns_verify::narinfo::name_in_url;

pub(crate) use self::records::{record_of, unavailable};
use self::{
    blob::ObjectBlob,
    file::{FileLocation, Looked},
    open_directory::OpenDirectory,
    records::RecordCache,
};
pub use self::{records::StoredNarInfo, uses::Uses};
use crate::{
    blocking::blocking,
    objects::{ObjectKey, Objects},
};

/// How long the length of a NAR is remembered: another server may have removed it.
const MAX_SIZE_AGE: Duration = Duration::from_millis(900);

/// How long a client may read from the bucket by a URL that it got: longer than a slow download takes to begin.
const REDIRECT_TTL: Duration = Duration::from_secs(3600);

/// Memory for the lengths of NARs, as entries: some 100 bytes each.
const MAX_REMEMBERED_SIZES: usize = 65_536;

/// A directory or bucket, read as a binary cache. Clones share its connections and its memory.
#[derive(Clone)]
pub struct StorageReader {
    shared: Arc<ReaderParts>,
    /// Whether clients get NARs from the bucket itself.
    redirects: bool,
}

struct ReaderParts {
    objects: Objects,
    store_dir: StoreDir,
    /// `None` for a bucket.
    directory: Option<OpenDirectory>,
    records: RecordCache,
    uses: Uses,
    /// Lengths of NAR files. A file never changes under its name; one that is gone is noticed when it is read.
    sizes: Cache<ObjectKey, (u64, Instant), One>,
}

/// Every entry weighs the same.
#[derive(Clone)]
struct One;

impl<K, V> Weighter<K, V> for One {
    fn weight(&self, _: &K, _: &V) -> u64 {
        1
    }
}

impl StorageReader {
    /// Reads `objects`, whose paths are all of `store_dir`. `memory_bytes` bounds the memory for narinfos, and that for names.
    #[must_use]
    pub fn new(objects: Objects, store_dir: StoreDir, memory_bytes: usize) -> Self {
        let sizes = Cache::with_weighter(1024, MAX_REMEMBERED_SIZES as u64, One);
        let records = RecordCache::new(memory_bytes);
        let directory = OpenDirectory::of(&objects, memory_bytes);
        Self {
            shared: Arc::new(ReaderParts {
                objects,
                store_dir,
                directory,
                records,
                uses: Uses::new(),
                sizes,
            }),
            redirects: false,
        }
    }

    /// The same; with redirects, clients get NARs from the bucket itself, by URLs that are good for a while.
    #[must_use]
    pub fn with_redirects(self, redirects: bool) -> Self {
        Self { redirects, ..self }
    }

    /// Changes the bound of the memory for narinfos, of all clones.
    pub fn resize_memory(&self, memory_bytes: usize) {
        self.shared.records.resize(memory_bytes);
        if let Some(directory) = &self.shared.directory {
            directory.resize(memory_bytes);
        }
    }

    /// The directory or bucket.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.shared.objects
    }

    /// The logical store directory of its paths.
    #[must_use]
    pub fn shared_store_dir(&self) -> &StoreDir {
        &self.shared.store_dir
    }

    /// The narinfo as it is stored.
    ///
    /// # Errors
    /// As [`BinaryCache::path_info`].
    pub async fn narinfo(&self, hash: HashPart) -> Result<Option<Arc<StoredNarInfo>>, CacheError> {
        if self.lacks_narinfo(&hash) {
            self.forget(&hash);
            return Ok(None);
        }
        self.shared.records.load(&self.shared.objects, &self.shared.store_dir, hash).await
    }

    /// Paths and NARs that were read lately, for the index.
    #[must_use]
    pub fn uses(&self) -> &Uses {
        &self.shared.uses
    }

    /// Forgets the record of a path: it has just been written or removed here.
    pub fn forget(&self, hash: &HashPart) {
        self.shared.records.forget(hash);
    }

    /// The length of a stored NAR file, in bytes.
    ///
    /// # Errors
    /// When the storage cannot be asked.
    pub async fn nar_size(&self, key: &ObjectKey) -> Result<Option<u64>, CacheError> {
        if let Some(path) = self.shared.objects.file(key)
            && let Ok(Ok(found)) = blocking(move || std::fs::metadata(path)).await
            && found.is_file()
        {
            return Ok(Some(found.len()));
        }
        if let Some((size, asked)) = self.shared.sizes.get(key)
            && asked.elapsed() < MAX_SIZE_AGE
        {
            return Ok(Some(size));
        }
        let asked = Instant::now();
        // This also tells a NAR that is not there from a directory that is not.
        let found = self.shared.objects.head(key).await.map_err(unavailable)?;
        Ok(found.map(|found| {
            self.shared.sizes.insert(key.clone(), (found.size, asked));
            found.size
        }))
    }

    /// Whether an object is certainly not there: answered without waiting, by a look at the directory. `false` says nothing.
    #[must_use]
    pub fn is_absent_now(&self, key: &ObjectKey) -> bool {
        self.shared.directory.as_ref().is_some_and(|directory| directory.is_absent(key))
    }

    /// The same for the narinfo of a path.
    #[must_use]
    pub fn lacks_narinfo(&self, hash: &HashPart) -> bool {
        self.shared.directory.as_ref().is_some_and(|directory| directory.lacks_narinfo(hash))
    }

    /// The debug information at this key.
    pub(crate) async fn debug_info_at(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<DebugInfo>, CacheError> {
        documents::debug_info(&self.shared.objects, key).await
    }

    /// Notes the length of a NAR file that has just been written here, in bytes.
    pub fn note_nar_size(&self, key: &ObjectKey, size: u64) {
        if self.shared.objects.directory().is_none() {
            self.shared.sizes.insert(key.clone(), (size, Instant::now()));
        }
    }

    /// Forgets the length of a NAR file: it has just been removed here.
    pub fn forget_nar(&self, key: &ObjectKey) {
        self.shared.sizes.remove(key);
    }

    async fn nar_file(
        &self,
        key: ObjectKey,
        etag: String,
    ) -> Result<Option<NarAnswer>, CacheError> {
        if let Some(place) = FileLocation::of(&self.shared.objects, &key) {
            if self.is_absent_now(&key) {
                return Ok(None);
            }
            match file::open(place, etag.clone()).await? {
                Looked::Found(blob) => {
                    self.shared.uses.note_nar(&key);
                    return Ok(Some(NarAnswer::Finished(Arc::new(blob))));
                }
                Looked::Absent => return Ok(None),
                Looked::Unclear => {}
            }
        }
        // This also tells a NAR that is not there from a directory that is not.
        let Some(size) = self.nar_size(&key).await? else { return Ok(None) };
        self.shared.uses.note_nar(&key);
        let objects = &self.shared.objects;
        let url = if self.redirects {
            objects.presigned(Method::GET, &key, REDIRECT_TTL).await.map_err(unavailable)?
        } else {
            None
        };
        let url = url.map(String::from);
        let blob = ObjectBlob::new(objects.clone(), key, size, etag, url);
        Ok(Some(NarAnswer::Finished(Arc::new(blob) as Arc<dyn Blob>)))
    }
}

fn etag_of(name: &NarName) -> Option<String> {
    let hash = name.nar_hash?.to_nix32();
    Some(match (name.hash_part, name.compression) {
        (None, _) | (Some(_), Compression::None) => hash,
        (Some(part), compression) => format!("{part}-{hash}-{compression}"),
    })
}

#[async_trait]
impl BinaryCache for StorageReader {
    fn store_dir(&self) -> &StoreDir {
        &self.shared.store_dir
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        let ReaderParts { records, directory, uses, .. } = &*self.shared;
        let peeked = records.peek(directory.as_ref(), hash);
        if matches!(peeked, Peek::Hit { .. }) {
            uses.note_path(hash);
        }
        peeked
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        let found = self.narinfo(hash).await?;
        Ok(found.map(|stored| {
            self.shared.uses.note_path(&hash);
            stored.record.clone()
        }))
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        let Some(hash) = name.hash_part else {
            let Some(etag) = etag_of(name) else { return Ok(None) };
            return self.nar_file(ObjectKey::nar(name), etag).await;
        };
        // A name of another server that clients still remember: it stands for the file that the narinfo names.
        let Some(stored) = self.narinfo(hash).await? else { return Ok(None) };
        let is_other_nar = name.nar_hash.is_some_and(|nar| nar != stored.narinfo.nar_hash);
        if is_other_nar || name.compression != stored.narinfo.compression {
            return Ok(None);
        }
        match name_in_url(&stored.narinfo.url).map(|name| (etag_of(&name), name)) {
            Some((Some(etag), name)) => self.nar_file(ObjectKey::nar(&name), etag).await,
            _ => Ok(None),
        }
    }

    fn lacks_nar(&self, name: &NarName) -> bool {
        name.hash_part.is_none() && self.is_absent_now(&ObjectKey::nar(name))
    }

    fn nar_now(&self, name: &NarName, _: bool) -> Option<ReadyNar> {
        if name.hash_part.is_some() {
            return None;
        }
        let key = ObjectKey::nar(name);
        let file = self.shared.directory.as_ref()?.open(&key)?;
        let ready = file::ready_nar(file, etag_of(name)?)?;
        self.shared.uses.note_nar(&key);
        Some(ready)
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        documents::listing(&self.shared.objects, hash).await
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        documents::log(&self.shared.objects, name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        documents::realisation(&self.shared.objects, id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        documents::build_trace(&self.shared.objects, drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        self.debug_info_at(&ObjectKey::debug_info(id)).await
    }

    async fn file(&self, _: HashPart, _: &ServePath) -> Result<Option<Served>, CacheError> {
        Ok(None)
    }

    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        sample::sample(&self.shared.objects).await
    }

    async fn readiness(&self) -> Vec<NotReady> {
        let checked = self.shared.objects.check().await;
        checked.err().map(unavailable).map(NotReady::Store).into_iter().collect()
    }
}
