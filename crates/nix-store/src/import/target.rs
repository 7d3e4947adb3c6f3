//! The store as pushers see and change it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{
    BinaryCache, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NarUpload, NotReady,
    PathRecord, Pattern, PublishError, Published, Pusher, RootRule, RootedCache, Served,
    WritableCache,
};
use rns_file_io::chunks::FileBlob;
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarInfo, NarListing,
    NarName, Realisation, ServePath, StoreDir, StorePath,
};
use rns_verify::{AnnouncedNar, KnownNar, unpack};
use tokio::task::spawn_blocking;

use super::{
    ImportConfig, Imports, imports::Sight, kept::KeptPaths, spooled_upload::SpooledUpload,
};

/// The store for pushers: the paths that the cache shows to its readers, and pushed ones. A path that a pusher is told of is
/// kept from being collected, by its view for pushers.
#[derive(Clone)]
pub struct StoreTarget {
    pub(super) imports: Arc<Imports>,
    /// The paths that the cache keeps.
    pub(super) kept: KeptPaths,
    /// The largest NAR, decompressed, in bytes.
    max_nar_size: u64,
    /// How long roots are kept, by their names.
    pub(super) root_rules: Arc<[RootRule]>,
    /// The cache of readers.
    shown: Arc<dyn BinaryCache>,
    /// The whole store.
    pub(super) all: Arc<dyn BinaryCache>,
    /// Names that the pusher may see, each list a condition of its own.
    names: Arc<[Vec<Pattern>]>,
    /// Whether a path that is told of is kept from now on.
    is_promising: bool,
}

impl StoreTarget {
    /// Uploads to the cache with this name, which shows its readers `shown` of `all`.
    #[must_use]
    pub fn new(
        (imports, name): (Arc<Imports>, Option<&str>),
        config: &ImportConfig,
        shown: Arc<dyn BinaryCache>,
        all: Arc<dyn BinaryCache>,
        names: Vec<Vec<Pattern>>,
    ) -> Self {
        Self {
            kept: imports.kept.of(name),
            imports,
            max_nar_size: config.max_nar_size,
            root_rules: config.root_rules.as_slice().into(),
            shown,
            all,
            names: names.into(),
            is_promising: false,
        }
    }

    /// The same as pushers are answered: they skip paths that are there.
    #[must_use]
    pub fn promising(&self) -> Self {
        Self { is_promising: true, ..self.clone() }
    }

    /// Whether the pusher sees this valid path.
    pub(super) async fn shows(&self, path: &StorePath) -> Result<bool, CacheError> {
        if self.kept.holds(&path.hash_part()) && self.may_name(path) {
            return Ok(true);
        }
        Ok(self.shown.path_info(path.hash_part()).await?.is_some())
    }

    /// Whether the path is valid, and the pusher sees it.
    async fn has(&self, path: &StorePath) -> Result<bool, CacheError> {
        let record = self.all.path_info(path.hash_part()).await?;
        Ok(record.is_some_and(|record| record.info.path == *path) && self.shows(path).await?)
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
        if !self.shows(path).await?
            || (self.is_promising && !self.imports.promise(&self.kept, path).await?)
        {
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

    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        self.shown.sample().await
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
            place,
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
        let sight = Sight { kept: &self.kept, is_shown, hidden };
        self.imports.publish(narinfo, pusher, &sight).await
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

    async fn put_log(
        &self,
        name: &LogName,
        text: Bytes,
        _: Option<&HashPart>,
    ) -> Result<(), PublishError> {
        let derivation = name.candidates().next().ok_or_else(|| PublishError::Malformed {
            object: "the log".to_owned(),
            why: "it is of no derivation".to_owned(),
        })?;
        self.imports.add_log(derivation, text).await
    }

    async fn put_realisation(&self, realisation: &Realisation) -> Result<(), PublishError> {
        let mut missing = Vec::new();
        if !self.has(&realisation.out_path).await? {
            missing.push(realisation.out_path.clone());
        }
        for (id, path) in &realisation.dependent_realisations {
            if self.all.realisation(id).await?.is_none() {
                missing.push(path.clone());
            }
        }
        if !missing.is_empty() {
            return Err(PublishError::MissingReferences(missing));
        }
        self.imports.add_realisation(realisation).await
    }

    async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), PublishError> {
        if !self.has(&entry.out_path).await? {
            return Err(PublishError::MissingReferences(vec![entry.out_path.clone()]));
        }
        self.imports.add_build_trace(entry).await
    }

    /// Debug information is found in the store.
    async fn put_debug_info(&self, _: &BuildId, _: &DebugInfo) -> Result<(), PublishError> {
        Ok(())
    }

    /// The cache lets go of the path, which goes with the next collection unless something else needs it.
    async fn delete(&self, hash: HashPart, _: &Pusher) -> Result<bool, PublishError> {
        let released = self.kept.release(hash).await?;
        released.map_err(|roots| {
            PublishError::Needed(roots.iter().map(|name| format!("the root {name}")).collect())
        })
    }

    fn rooted(&self) -> Option<&dyn RootedCache> {
        Some(self)
    }
}
