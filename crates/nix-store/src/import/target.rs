//! The store as pushers see and change it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{
    BinaryCache, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NarUpload, NotReady,
    PathRecord, Pattern, PublishError, Published, Pusher, Served, VerifiedNar, WritableCache,
};
use rns_file_io::chunks::FileBlob;
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarInfo, NarListing,
    NarName, Realisation, ServePath, StoreDir, StorePath,
};
use rns_verify::{AnnouncedNar, IncomingNar, KnownNar, unpack};
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};

use super::{
    Imports,
    imports::Sight,
    spool::{Incoming, Spool},
};

/// The store for pushers: the paths that the cache shows to its readers, and pushed ones. A path that a pusher is told of is
/// kept from being collected, by its view for pushers.
#[derive(Clone)]
pub struct StoreTarget {
    imports: Arc<Imports>,
    /// The largest NAR, decompressed, in bytes.
    max_nar_size: u64,
    /// The cache of readers.
    shown: Arc<dyn BinaryCache>,
    /// The whole store.
    all: Arc<dyn BinaryCache>,
    /// Names that the pusher may see, each list a condition of its own.
    names: Arc<[Vec<Pattern>]>,
    /// Whether a path that is told of is kept from now on.
    is_promising: bool,
}

impl StoreTarget {
    /// Uploads to a cache that shows its readers `shown` of `all`. `max_nar_size` is in bytes, decompressed.
    #[must_use]
    pub fn new(
        imports: Arc<Imports>,
        max_nar_size: u64,
        shown: Arc<dyn BinaryCache>,
        all: Arc<dyn BinaryCache>,
        names: Vec<Vec<Pattern>>,
    ) -> Self {
        Self { imports, max_nar_size, shown, all, names: names.into(), is_promising: false }
    }

    /// The same as pushers are answered: they skip paths that are there.
    #[must_use]
    pub fn promising(&self) -> Self {
        Self { is_promising: true, ..self.clone() }
    }

    /// Whether the pusher sees this valid path.
    async fn shows(&self, path: &StorePath) -> Result<bool, CacheError> {
        if self.imports.kept.holds(&path.hash_part()) && self.may_name(path) {
            return Ok(true);
        }
        Ok(self.shown.path_info(path.hash_part()).await?.is_some())
    }

    fn may_name(&self, path: &StorePath) -> bool {
        self.names.iter().all(|names| names.iter().any(|pattern| pattern.matches(path.name())))
    }
}

/// A narinfo may be a promise. All other answers here are those of readers.
#[async_trait]
impl BinaryCache for StoreTarget {
    fn store_dir(&self) -> &StoreDir {
        self.all.store_dir()
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        let Some(record) = self.all.path_info(hash).await? else { return Ok(None) };
        let path = &record.info.path;
        if !self.shows(path).await? || (self.is_promising && !self.imports.promise(path).await?) {
            return Ok(None);
        }
        Ok(Some(record))
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        let Some(hash) = name.hash_part else { return self.spooled(name).await };
        let Some(record) = self.all.path_info(hash).await? else { return Ok(None) };
        if self.shows(&record.info.path).await? { self.all.nar(name).await } else { Ok(None) }
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        self.shown.listing(hash).await
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        self.shown.log(name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        self.shown.realisation(id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        self.shown.build_trace(drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        self.shown.debug_info(id).await
    }

    async fn file(&self, _: HashPart, _: &ServePath) -> Result<Option<Served>, CacheError> {
        Ok(None)
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.shown.readiness().await
    }

    async fn settled(&self) -> Result<(), CacheError> {
        self.shown.settled().await
    }
}

impl StoreTarget {
    /// A NAR that waits for its narinfo. One that lies in the store under this hash is none: it may be that of another path.
    async fn spooled(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        let (spool, name) = (self.imports.spool.clone(), *name);
        let opened = spawn_blocking(move || {
            let Some(nar) = spool.renew(&name) else { return Ok(None) };
            Ok(spool.open_file(&name)?.map(|(file, path)| FileBlob {
                file: Arc::new(file.into()),
                path: path.into(),
                len: nar.file_size,
                etag: nar.file_hash.to_nix32(),
            }))
        });
        let opened: std::io::Result<_> = opened.await.map_err(|_| CacheError::ShuttingDown)?;
        let blob = opened.map_err(CacheError::io("open", self.imports.spool.directory()))?;
        Ok(blob.map(|blob| NarAnswer::Finished(Arc::new(blob))))
    }
}

#[async_trait]
impl WritableCache for StoreTarget {
    fn max_nar_size(&self) -> u64 {
        self.max_nar_size
    }

    async fn begin_nar(
        &self,
        name: &NarName,
        length: Option<u64>,
    ) -> Result<Box<dyn NarUpload>, PublishError> {
        let imports = &self.imports;
        let announced = AnnouncedNar::parse(name, length, self.max_nar_size)?;
        let (spool, known) = (imports.spool.clone(), *name);
        if length.is_some_and(|length| length > spool.max_bytes()) {
            let object = name.canonical_url();
            return Err(PublishError::TooLarge { object, limit: spool.max_bytes() });
        }
        let known = spawn_blocking(move || spool.renew(&known)).await;
        let known = known.map_err(|_| CacheError::ShuttingDown)?;
        if let Some(known) = known.filter(|nar| length.is_none_or(|length| length == nar.file_size))
        {
            return Ok(Box::new(KnownNar(known)));
        }
        let place = Arc::clone(&imports.uploads).acquire_owned().await;
        let place = place.map_err(|_| CacheError::ShuttingDown)?;
        let file = imports.spool.begin(length).await;
        Ok(Box::new(SpooledUpload {
            nar: announced.begin(Arc::clone(&imports.decoder_memory)),
            file: file.map_err(|error| imports.spool.refused(error))?,
            spool: imports.spool.clone(),
            name: *name,
            _place: place,
        }))
    }

    async fn publish(&self, narinfo: &NarInfo, pusher: &Pusher) -> Result<Published, PublishError> {
        let is_shown = self.shows(&narinfo.store_path).await?;
        let mut hidden = Vec::new();
        for reference in narinfo.references.iter().filter(|path| **path != narinfo.store_path) {
            if !self.shows(reference).await? {
                hidden.push(reference.clone());
            }
        }
        self.imports.publish(narinfo, pusher, &Sight { is_shown, hidden }).await
    }

    async fn decompress(
        &self,
        compression: Compression,
        bytes: Bytes,
        limit: u64,
    ) -> Result<Bytes, PublishError> {
        unpack(compression, bytes, limit).await
    }

    async fn promise_path(&self, hash: &HashPart) -> Result<bool, CacheError> {
        Ok(self.promising().path_info(*hash).await?.is_some())
    }

    async fn promise_nar(&self, name: &NarName) -> Result<bool, CacheError> {
        let (spool, name) = (self.imports.spool.clone(), *name);
        let known = spawn_blocking(move || spool.renew(&name)).await;
        Ok(known.map_err(|_| CacheError::ShuttingDown)?.is_some())
    }

    /// The references of a path must be in the store.
    async fn is_elsewhere(&self, _: &HashPart) -> bool {
        false
    }

    /// Listings are made from the store.
    async fn put_listing(&self, hash: HashPart, json: Bytes) -> Result<(), PublishError> {
        let parsed = spawn_blocking(move || NarListing::parse(&json).map(|_| ())).await;
        parsed.map_err(|_| CacheError::ShuttingDown)?.map_err(|error| PublishError::Malformed {
            object: format!("{hash}.ls"),
            why: error.to_string(),
        })
    }

    async fn put_log(&self, name: &LogName, text: Bytes) -> Result<(), PublishError> {
        let derivation = name.candidates().next().ok_or_else(|| PublishError::Malformed {
            object: "the log".to_owned(),
            why: "it is of no derivation".to_owned(),
        })?;
        self.imports.add_log(derivation, text).await
    }

    async fn put_realisation(&self, realisation: &Realisation) -> Result<(), PublishError> {
        let (id, json) = (realisation.id.to_string(), realisation.to_json());
        self.imports.add_realisation(&id, &realisation.out_path, &json).await
    }

    async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), PublishError> {
        Err(PublishError::Unsupported {
            object: format!("the build trace of {}", entry.drv_path),
            why: "the daemon of the store takes none".to_owned(),
        })
    }

    /// Debug information is found in the store.
    async fn put_debug_info(&self, _: &BuildId, _: &DebugInfo) -> Result<(), PublishError> {
        Ok(())
    }

    /// The path is let go of, and goes with the next collection unless something else needs it. Pushers of all caches share
    /// the roots, so a cache lets go only of a path that it shows to its readers.
    async fn delete(&self, hash: HashPart, _: &Pusher) -> Result<bool, PublishError> {
        if self.shown.path_info(hash).await?.is_none() {
            return Ok(false);
        }
        Ok(self.imports.kept.release(hash).await?)
    }
}

/// A NAR that is checked while it is spooled.
struct SpooledUpload {
    nar: IncomingNar,
    file: Incoming,
    spool: Spool,
    name: NarName,
    _place: OwnedSemaphorePermit,
}

#[async_trait]
impl NarUpload for SpooledUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), PublishError> {
        self.nar.take(chunk.clone()).await?;
        self.file.write(chunk).await.map_err(|error| self.spool.refused(error))
    }

    async fn finish(self: Box<Self>) -> Result<VerifiedNar, PublishError> {
        let Self { nar, file, spool, name, .. } = *self;
        let nar = nar.finish().await?;
        file.finish(name, nar).await.map_err(|error| spool.refused(error))?;
        Ok(nar)
    }
}
