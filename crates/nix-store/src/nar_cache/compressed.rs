//! A cache whose NARs are offered compressed.

use std::{
    num::NonZeroU64,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use quick_cache::sync::Cache;
use rns_cache::{
    BackendStats, BinaryCache, Blob, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NotReady,
    PathRecord, Peek, ReadyNar, Served,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarName, Realisation,
    ServePath, Sha256Digest, StoreDir, StorePath,
};

use super::{
    cache::NarCache, config::Codec, encode_job, encode_progress::EncodeProgress,
    finished::Finished, tail_reader::GrowingNar, throttle::BusyCheck,
};

/// Numbers of offers, for [`rns_cache::Freshness`]: more will be known of the file later, or not.
pub(super) const AWAITED: u64 = 1;
pub(super) const COMPLETE: u64 = 2;

/// The same cache with compressed NARs beside the plain ones. Clones share everything.
#[derive(Clone)]
pub struct CompressedCache {
    inner: Arc<dyn BinaryCache>,
    pub(super) cache: Arc<NarCache>,
    /// How the NARs are compressed that records offer. None: records offer plain ones.
    offer: Option<Codec>,
    /// Paths that were offered before length and hash of the file were known, and their NARs.
    pub(super) awaited: Arc<Cache<HashPart, Sha256Digest>>,
}

/// Paths in [`CompressedCache::awaited`]. One that is forgotten costs a question.
const MAX_AWAITED: usize = 16_384;

/// A compressed NAR.
pub enum Compressed {
    /// It is there, or was made just now.
    Finished(Finished),
    /// It is made while it is read.
    GrowingNar(GrowingNar),
}

/// The result for a NAR that was to be compressed before any client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// It was compressed.
    Made,
    /// It was there, or is being compressed.
    Known,
    /// There is no such path, or its NAR is not compressed here.
    Not,
    /// It would drive others out of the cache.
    NoRoom,
}

impl CompressedCache {
    /// Compresses the NARs of `inner`. Several caches may share one cache of compressed NARs.
    #[must_use]
    pub fn new(inner: Arc<dyn BinaryCache>, cache: Arc<NarCache>, offer: Option<Codec>) -> Self {
        Self { inner, cache, offer, awaited: Arc::new(Cache::new(MAX_AWAITED)) }
    }

    /// Whether a NAR of this size is compressed here: one that is larger than the whole cache is not.
    #[must_use]
    pub fn compresses(&self, nar_size: u64) -> bool {
        nar_size <= self.cache.config.bytes
    }

    /// The compressed NAR of the path with this hash part; with `expected`, only if that is the hash of its NAR.
    /// A small one is compressed if need be. `None` when there is no such path or it is not compressed here.
    ///
    /// # Errors
    /// As [`BinaryCache::path_info`].
    pub async fn compressed_nar(
        &self,
        hash: HashPart,
        expected: Option<Sha256Digest>,
        codec: Codec,
    ) -> Result<Option<Compressed>, CacheError> {
        let cache = &self.cache;
        let Some(record) = self.inner.path_info(hash).await? else { return Ok(None) };
        let nar_hash = record.info.nar_hash;
        if expected.is_some_and(|expected| expected != nar_hash) {
            return Ok(None);
        }
        let recipe = cache.limits(codec).recipe().await?;
        let tag = recipe.tag(&nar_hash).into();
        // A finished file does not need the path any more; before anything of it is read, the path is looked up again.
        if let Some(finished) = cache.find(&tag).await {
            cache.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(Compressed::Finished(finished)));
        }
        let Some(nar) = self.plain_nar(hash, nar_hash).await? else { return Ok(None) };
        if !self.compresses(nar.len()) {
            return Ok(None);
        }
        cache.misses.fetch_add(1, Ordering::Relaxed);
        if cache.is_whole(nar.len()) {
            let finished = encode_job::finish(cache, &nar, recipe, &tag).await?;
            return Ok(finished.map(Compressed::Finished));
        }
        let cache = Arc::clone(cache);
        Ok(Some(Compressed::GrowingNar(GrowingNar { cache, nar, recipe, tag })))
    }

    pub(super) async fn plain_nar(
        &self,
        hash: HashPart,
        nar_hash: Sha256Digest,
    ) -> Result<Option<Arc<dyn Blob>>, CacheError> {
        let name = NarName::new(hash, nar_hash, Compression::None);
        let _slot = self.cache.prepared.slot(1).await;
        Ok(match self.inner.nar(&name).await? {
            Some(NarAnswer::Finished(nar)) => Some(nar),
            // Only compressed NARs grow.
            Some(NarAnswer::Growing(_)) | None => None,
        })
    }

    /// Compresses the NAR of a path, unless that was done before. It rests while `busy` says that requests are being
    /// answered; when a client asks for this very NAR, it does not.
    ///
    /// # Errors
    /// As [`BinaryCache::path_info`].
    pub async fn warm(
        &self,
        hash: HashPart,
        codec: Codec,
        busy: &Arc<BusyCheck>,
    ) -> Result<Warmed, CacheError> {
        let cache = &self.cache;
        let Some(record) = self.inner.path_info(hash).await? else { return Ok(Warmed::Not) };
        let info = record.info;
        let recipe = cache.limits(codec).recipe().await?;
        let tag: Arc<str> = recipe.tag(&info.nar_hash).into();
        cache.ready().await;
        if cache.known(&tag).is_some() {
            return Ok(Warmed::Known);
        }
        if !self.compresses(info.nar_size) {
            return Ok(Warmed::Not);
        }
        if !cache.has_room(info.nar_size) || cache.is_paused() {
            return Ok(Warmed::NoRoom);
        }
        let Some(nar) = self.plain_nar(hash, info.nar_hash).await? else {
            return Ok(Warmed::Not);
        };
        if self.is_packed(&info, codec).await {
            return Ok(Warmed::Not);
        }
        let production = Arc::new(EncodeProgress::new());
        if !cache.begin(&tag, &production) {
            return Ok(Warmed::Known);
        }
        encode_job::run(encode_job::EncodeOrder {
            cache: Arc::clone(cache),
            nar,
            recipe,
            tag,
            production: Arc::clone(&production),
            asker: None,
            busy: Some(Arc::clone(busy)),
        })
        .await;
        Ok(if production.ended().await { Warmed::Made } else { Warmed::Not })
    }
}

#[async_trait]
impl BinaryCache for CompressedCache {
    fn store_dir(&self) -> &StoreDir {
        self.inner.store_dir()
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        match (self.inner.peek(hash), self.offer) {
            (Peek::Hit { freshness, nar_hash }, Some(codec)) => {
                let is_awaited = self.awaited.get(hash) == Some(nar_hash)
                    && self.known_compressed_file(&nar_hash, codec).is_none();
                let offer = if is_awaited { AWAITED } else { COMPLETE };
                Peek::Hit { freshness: freshness.with_offer(offer), nar_hash }
            }
            (peek, _) => peek,
        }
    }

    /// A narinfo may leave out length and hash of a compressed file for a second after its end.
    fn generation(&self) -> Option<NonZeroU64> {
        self.inner.generation()
    }

    /// Clients up to Nix 2.34 need length and hash of the file when they publish the path again: those of a small one
    /// are found out by compressing it, unless there is too much else to do.
    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        let Some(record) = self.inner.path_info(hash).await? else { return Ok(None) };
        let Some(codec) = self.offer else { return Ok(Some(record)) };
        Ok(Some(self.offered(record, codec).await))
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        // A compressed NAR without the hash part of its path is named by the hash of the file, which says nothing here.
        let (Some(codec), Some(hash)) = (Codec::of(name.compression), name.hash_part) else {
            return self.inner.nar(name).await;
        };
        let compressed = self.compressed_nar(hash, name.nar_hash, codec).await?;
        Ok(compressed.map(|compressed| match compressed {
            Compressed::Finished(finished) => NarAnswer::Finished(Arc::new(finished)),
            Compressed::GrowingNar(growing) => NarAnswer::Growing(Box::new(growing)),
        }))
    }

    fn nar_now(&self, name: &NarName, by_name: bool) -> Option<ReadyNar> {
        let Some(codec) = Codec::of(name.compression) else {
            return self.inner.nar_now(name, by_name);
        };
        let (hash, expected) = (name.hash_part?, name.nar_hash);
        let recipe = self.cache.limits(codec).known_recipe()?;
        let Peek::Hit { nar_hash, .. } = self.inner.peek(&hash) else { return None };
        if expected.is_some_and(|expected| expected != nar_hash) {
            return None;
        }
        self.cache.ready_nar(recipe.tag(&nar_hash), by_name)
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        self.inner.listing(hash).await
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        self.inner.log(name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        self.inner.realisation(id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        self.inner.build_trace(drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        self.inner.debug_info(id).await
    }

    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError> {
        self.inner.file(hash, path).await
    }

    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        self.inner.sample().await
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.inner.readiness().await
    }

    async fn settled(&self) -> Result<(), CacheError> {
        self.inner.settled().await
    }

    fn stats(&self) -> BackendStats {
        self.inner.stats()
    }
}
