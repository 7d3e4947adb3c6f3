//! Compressed NARs of a store.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

use rns_formats::{HashPart, PathInfo, Sha256Digest, Sha256Hasher};
use tokio::task::spawn_blocking;

use super::{
    Codec, CompressedFile, Finished, GrowingNar, InMemory, NarCache, Recipe,
    uncached_encoder::{UncachedEncoder, Work},
};
use crate::{LocalStore, Nar, StoreError, chunks::ReadAhead, daemon::HeldRoot};

/// A compressed NAR.
pub enum Compressed {
    /// It is there, or was made just now.
    Finished(Finished),
    /// It is made while it is read.
    GrowingNar(GrowingNar),
}

impl LocalStore {
    /// Whether a NAR of this size is compressed here: one that is larger than the whole cache is not.
    #[must_use]
    pub fn compresses(&self, nar_size: u64) -> bool {
        self.shared().nar_cache.as_ref().is_some_and(|cache| nar_size <= cache.config.bytes)
    }

    /// The compressed NAR of the path with this hash part; with `expected`, only if that is the hash of its NAR.
    /// A small one is compressed if need be. `None` when there is no such path or it is not compressed here.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    pub async fn compressed_nar(
        &self,
        hash: HashPart,
        expected: Option<Sha256Digest>,
        codec: Codec,
    ) -> Result<Option<Compressed>, StoreError> {
        let Some(cache) = &self.shared().nar_cache else { return Ok(None) };
        // What is compressed already does not need the path any more, so what was known a moment ago will do; before
        // anything of the path is read, it is looked up again.
        let Some(row) = self.known_row(hash).await? else { return Ok(None) };
        if expected.is_some_and(|expected| expected != row.info.nar_hash) {
            return Ok(None);
        }
        let recipe = cache.lane(codec).recipe().await?;
        let tag = recipe.tag(&row.info.nar_hash).into();
        if let Some(finished) = cache.find(&tag).await {
            cache.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(Compressed::Finished(finished)));
        }
        let Some(nar) = self.open_nar(&row).await? else { return Ok(None) };
        if nar.size() > cache.config.bytes {
            return Ok(None);
        }
        cache.misses.fetch_add(1, Ordering::Relaxed);
        if cache.is_whole(nar.size()) {
            let finished = self.finish_compressing(&nar, recipe, &tag).await?;
            return Ok(finished.map(Compressed::Finished));
        }
        Ok(Some(Compressed::GrowingNar(GrowingNar { store: self.clone(), nar, recipe, tag })))
    }

    /// The same where nothing has to be waited for: the row is known, everything is exposed, and the bytes are at hand. With
    /// `by_name`, for somebody who sends files himself, a file is what is preferred.
    #[must_use]
    pub fn compressed_in_memory(
        &self,
        hash: HashPart,
        expected: Option<Sha256Digest>,
        codec: Codec,
        by_name: bool,
    ) -> Option<InMemory> {
        let cache = self.shared().nar_cache.as_ref()?;
        let recipe = cache.lane(codec).known_recipe()?;
        let row = self.row_at_hand(hash)?;
        if expected.is_some_and(|expected| expected != row.info.nar_hash) {
            return None;
        }
        cache.at_hand(recipe.tag(&row.info.nar_hash), by_name)
    }

    /// Length and hash of a path's compressed NAR. A small NAR is compressed if need be, unless too many are waiting
    /// for that; of a large one they are known only when somebody has had it compressed.
    pub async fn compressed_file(&self, info: &PathInfo, codec: Codec) -> Option<CompressedFile> {
        let cache = self.shared().nar_cache.as_ref()?;
        let recipe = cache.lane(codec).recipe().await.ok()?;
        cache.ready().await;
        if let Some(known) = cache.known(&recipe.tag(&info.nar_hash)) {
            return Some(known);
        }
        if !cache.is_whole(info.nar_size) || cache.is_busy() {
            return None;
        }
        match self.compressed_nar(info.path.hash_part(), Some(info.nar_hash), codec).await {
            Ok(Some(Compressed::Finished(finished))) => Some(*finished.file()),
            _ => None,
        }
    }

    /// The same, as far as it is in memory.
    #[must_use]
    pub fn known_compressed_file(
        &self,
        nar_hash: &Sha256Digest,
        codec: Codec,
    ) -> Option<CompressedFile> {
        let cache = self.shared().nar_cache.as_ref()?;
        cache.known(&cache.lane(codec).known_recipe()?.tag(nar_hash))
    }

    /// Whether a path is still registered as it was.
    pub(super) async fn is_there(&self, nar: &Nar) -> Result<bool, StoreError> {
        Ok(self
            .any_known_row(nar.info.path.hash_part())
            .await?
            .is_some_and(|row| row.id == nar.row))
    }

    pub(super) fn nar_cache(&self) -> Result<&Arc<NarCache>, StoreError> {
        self.shared().nar_cache.as_ref().ok_or(StoreError::Stopping)
    }

    /// Waits until a NAR is compressed; `None` when it is gone or damaged.
    pub(super) async fn finish_compressing(
        &self,
        nar: &Nar,
        recipe: Recipe,
        tag: &Arc<str>,
    ) -> Result<Option<Finished>, StoreError> {
        let cache = self.nar_cache()?;
        if let Some(finished) = cache.find(tag).await {
            return Ok(Some(finished));
        }
        let failure = match cache.join(self, nar, recipe, tag).end().await {
            Ok(finished) => return Ok(Some(finished)),
            Err(failure) => failure,
        };
        match failure.error() {
            None => {
                let file = self.measure(nar, recipe).await?;
                Ok(file.map(|file| {
                    Finished::again(Arc::clone(tag), file, self.clone(), nar.clone(), recipe)
                }))
            }
            Some(StoreError::Damaged { .. } | StoreError::Collected { .. }) => Ok(None),
            Some(error) => Err(error),
        }
    }

    /// The bytes of `range` of a compressed NAR, compressed for one reader. The range may end behind the end.
    pub(super) async fn compress_alone(
        &self,
        nar: &Nar,
        recipe: Recipe,
        range: Range<u64>,
    ) -> Result<Option<ReadAhead<UncachedEncoder>>, StoreError> {
        let permit = self
            .nar_cache()?
            .lane(recipe.codec)
            .growing(recipe)
            .await
            .ok_or(StoreError::Stopping)?;
        let Some(root) = self.hold(nar).await? else { return Ok(None) };
        let (store, nar) = (self.clone(), nar.clone());
        let work = spawn_blocking(move || store.work(&nar, recipe))
            .await
            .map_err(|_| StoreError::Stopping)?;
        match work {
            Ok(work) => Ok(Some(ReadAhead::start(UncachedEncoder::new(work, range, root, permit)))),
            Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Length and hash of a compressed NAR for which there is no room.
    async fn measure(
        &self,
        nar: &Nar,
        recipe: Recipe,
    ) -> Result<Option<CompressedFile>, StoreError> {
        let permit = self
            .nar_cache()?
            .lane(recipe.codec)
            .growing(recipe)
            .await
            .ok_or(StoreError::Stopping)?;
        let Some(root) = self.hold(nar).await? else { return Ok(None) };
        let (store, nar) = (self.clone(), nar.clone());
        let measured = spawn_blocking(move || {
            let _held: (HeldRoot, _) = (root, permit);
            let mut work = store.work(&nar, recipe)?;
            let (mut made, mut hasher, mut size) = (Vec::new(), Sha256Hasher::new(), 0);
            while !work.is_at_end() {
                made.clear();
                work.step(&mut made)?;
                hasher.update(&made);
                size += made.len() as u64;
            }
            Ok(CompressedFile { size, hash: hasher.finish() })
        });
        match measured.await.map_err(|_| StoreError::Stopping)? {
            Ok(file) => Ok(Some(file)),
            Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A NAR at the start of its compression. Blocks.
    pub(super) fn work(&self, nar: &Nar, recipe: Recipe) -> Result<Work, StoreError> {
        let reader = self.shared().reader(nar, &(0..nar.size()))?;
        Work::new(reader, nar.size(), recipe)
    }
}
