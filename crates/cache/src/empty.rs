//! A cache without a path.

use async_trait::async_trait;
use rns_formats::{
    BuildId, BuildTraceEntry, DrvOutputId, HashPart, LogName, NarName, Realisation, ServePath,
    StoreDir, StorePath,
};

use crate::{
    BinaryCache, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NotReady, PathRecord, Peek,
    Served,
};

/// A cache without a path: every question is a miss.
#[derive(Clone, Debug)]
pub struct EmptyCache(StoreDir);

impl EmptyCache {
    /// An empty cache of this store directory.
    #[must_use]
    pub const fn new(store_dir: StoreDir) -> Self {
        Self(store_dir)
    }
}

#[async_trait]
impl BinaryCache for EmptyCache {
    fn store_dir(&self) -> &StoreDir {
        &self.0
    }

    fn peek(&self, _: &HashPart) -> Peek {
        Peek::Miss
    }

    async fn path_info(&self, _: HashPart) -> Result<Option<PathRecord>, CacheError> {
        Ok(None)
    }

    async fn nar(&self, _: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        Ok(None)
    }

    async fn listing(&self, _: HashPart) -> Result<Option<Listing>, CacheError> {
        Ok(None)
    }

    async fn log(&self, _: &LogName) -> Result<Option<BuildLog>, CacheError> {
        Ok(None)
    }

    async fn realisation(&self, _: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        Ok(None)
    }

    async fn build_trace(
        &self,
        _: &StorePath,
        _: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        Ok(None)
    }

    async fn debug_info(&self, _: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        Ok(None)
    }

    async fn file(&self, _: HashPart, _: &ServePath) -> Result<Option<Served>, CacheError> {
        Ok(None)
    }

    async fn readiness(&self) -> Vec<NotReady> {
        Vec::new()
    }
}
