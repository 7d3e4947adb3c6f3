//! The storage as pushers see it: only paths that stay, since a pusher skips paths that are there.

use async_trait::async_trait;
use rns_cache::{
    BinaryCache, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NotReady, PathRecord,
    Pattern, Peek, Served, WritableCache as _,
};
use rns_formats::{
    BuildId, BuildTraceEntry, DrvOutputId, HashPart, LogName, NarName, Realisation, ServePath,
    StoreDir, StorePath,
};

use super::{Presence, Storage};
use crate::objects::ObjectKey;

/// A storage as pushers see it: its paths, whose grace every answer renews, and those that its upstreams have.
#[derive(Clone)]
pub struct PushView {
    storage: Storage,
    names: Vec<Vec<Pattern>>,
}

impl PushView {
    /// The view of a storage for those who may see only paths in it that every list of these patterns has. Without one: all.
    #[must_use]
    pub const fn new(storage: Storage, names: Vec<Vec<Pattern>>) -> Self {
        Self { storage, names }
    }

    fn shows(&self, path: &StorePath) -> bool {
        self.names.iter().all(|names| names.iter().any(|pattern| pattern.matches(path.name())))
    }

    /// A document that was found, if it stays.
    async fn promised<T>(&self, found: Option<T>, key: ObjectKey) -> Result<Option<T>, CacheError>
    where
        T: Send,
    {
        match found {
            Some(found) if self.storage.promise_document(&key).await? => Ok(Some(found)),
            Some(_) | None => Ok(None),
        }
    }

    /// An object that does not say which path it belongs to is for those who see everything.
    const fn shows_all(&self) -> bool {
        self.names.is_empty()
    }
}

/// Nothing is answered without a look at the index: each answer is a promise.
#[async_trait]
impl BinaryCache for PushView {
    fn store_dir(&self) -> &StoreDir {
        self.storage.store_dir()
    }

    /// A miss is no promise.
    fn peek(&self, hash: &HashPart) -> Peek {
        let is_nowhere =
            self.storage.names_nowhere_else() && self.storage.reader.lacks_narinfo(hash);
        if is_nowhere { Peek::Miss } else { Peek::Unknown }
    }

    fn lacks_nar(&self, name: &NarName) -> bool {
        self.storage.lacks_nar(name)
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        if let Some(record) = self.storage.path_info(hash).await?
            && self.shows(&record.info.path)
            && self.storage.promise_path(&hash).await?
        {
            return Ok(Some(record));
        }
        Ok(match self.storage.elsewhere.record(&hash).await {
            Presence::Here(record) => Some(*record),
            Presence::Missing | Presence::Unknown => None,
        })
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        if !self.shows_all() {
            return Ok(None);
        }
        // Most paths that a pusher asks for are not there: the index need not be asked.
        let Some(found) = self.storage.nar(name).await? else { return Ok(None) };
        if self.storage.promise_nar(name).await? {
            return Ok(Some(found));
        }
        // One that lay there before the index is verified when a narinfo names it. It may have gone before it was kept.
        let is_kept = self.storage.keep_unknown_nar(name).await?;
        if is_kept { self.storage.nar(name).await } else { Ok(None) }
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        if !self.shows_all() {
            return Ok(None);
        }
        let Some(found) = self.storage.listing(hash).await? else { return Ok(None) };
        // It goes with its path.
        Ok(self.storage.promise_path(&hash).await?.then_some(found))
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        let is_shown = name.candidates().all(|derivation| self.shows(derivation));
        if !is_shown {
            return Ok(None);
        }
        let Some(found) = self.storage.log(name).await? else { return Ok(None) };
        for derivation in name.candidates() {
            if self.storage.promise_document(&ObjectKey::log(derivation)).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        let found = self.storage.realisation(id).await?;
        let found = found.filter(|found| self.shows(&found.out_path));
        self.promised(found, ObjectKey::realisation(id)).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        let found = self.storage.build_trace(drv, output).await?;
        let found = found.filter(|found| self.shows(&found.out_path));
        self.promised(found, ObjectKey::build_trace(drv, output)).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        if !self.shows_all() {
            return Ok(None);
        }
        let found = self.storage.debug_info(id).await?;
        self.promised(found, ObjectKey::debug_info(id)).await
    }

    async fn file(&self, _: HashPart, _: &ServePath) -> Result<Option<Served>, CacheError> {
        Ok(None)
    }

    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        self.storage.sample().await
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.storage.readiness().await
    }
}
