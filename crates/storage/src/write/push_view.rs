//! What a pusher sees: only what stays, since a pusher skips what it is told is there.

use async_trait::async_trait;
use rns_cache::{
    BinaryCache, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NotReady, PathRecord, Served,
    WritableCache as _,
};
use rns_formats::{
    BuildId, BuildTraceEntry, DrvOutputId, HashPart, LogName, NarName, Realisation, ServePath,
    StoreDir, StorePath,
};

use super::{Presence, Storage};

/// A storage as pushers see it: its paths, whose grace every answer renews, and those that its upstreams have.
#[derive(Clone)]
pub struct PushView(Storage);

impl PushView {
    /// The view of a storage.
    #[must_use]
    pub const fn new(storage: Storage) -> Self {
        Self(storage)
    }
}

/// Nothing is answered without a look at the index: each answer is a promise.
#[async_trait]
impl BinaryCache for PushView {
    fn store_dir(&self) -> &StoreDir {
        self.0.store_dir()
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        if self.0.promise_path(&hash).await?
            && let Some(record) = self.0.path_info(hash).await?
        {
            return Ok(Some(record));
        }
        Ok(match self.0.elsewhere.record(&hash).await {
            Presence::Here(record) => Some(*record),
            Presence::Missing | Presence::Unknown => None,
        })
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        if self.0.promise_nar(name).await? { self.0.nar(name).await } else { Ok(None) }
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        self.0.listing(hash).await
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        self.0.log(name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        self.0.realisation(id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        self.0.build_trace(drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        self.0.debug_info(id).await
    }

    async fn file(&self, _: HashPart, _: &ServePath) -> Result<Option<Served>, CacheError> {
        Ok(None)
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.0.readiness().await
    }
}
