//! The local store as a binary cache.

use std::{borrow::Cow, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{
    BinaryCache, Blob, BlobBody, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NarOffer,
    NotReady, PathRecord, Peek, Served,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarName, Realisation,
    ServePath, StoreDir, StorePath,
};

use super::path_memory::VersionedRow;
use crate::{LocalStore, Nar};

/// A NAR that is read straight from the files of its path.
struct NarBlob {
    store: LocalStore,
    nar: Nar,
}

#[async_trait]
impl Blob for NarBlob {
    fn len(&self) -> u64 {
        self.nar.size()
    }

    fn etag(&self) -> Cow<'_, str> {
        Cow::Owned(self.nar.info().nar_hash.to_nix32())
    }

    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        self.store.read_nar(&self.nar, range).await
    }

    async fn read_whole(&self) -> Result<Option<Bytes>, CacheError> {
        self.store.read_whole_nar(&self.nar).await
    }
}

/// The record of a path whose size is known. Its NAR is offered uncompressed.
pub(crate) fn record(known: &VersionedRow) -> PathRecord {
    let info = Arc::clone(&known.row.info);
    let name = NarName::new(info.path.hash_part(), info.nar_hash, Compression::None);
    let offer = NarOffer {
        url: name.canonical_url(),
        compression: Compression::None,
        // Clients up to Nix 2.34 need both lines when they publish the path again.
        file: Some((info.nar_hash.into(), info.nar_size)),
        complete: true,
    };
    PathRecord { info, offer, freshness: known.freshness }
}

impl LocalStore {
    /// A NAR as the trait hands it out.
    pub(crate) fn answer(&self, nar: Nar) -> NarAnswer {
        NarAnswer::Finished(Arc::new(NarBlob { store: self.clone(), nar }))
    }
}

#[async_trait]
impl BinaryCache for LocalStore {
    fn store_dir(&self) -> &StoreDir {
        Self::store_dir(self)
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        self.peek_row(hash)
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        Ok(self.known_path(hash).await?.as_ref().map(record))
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        if name.compression != Compression::None {
            return Ok(None);
        }
        let nar = match (name.hash_part, name.nar_hash) {
            (Some(hash), expected) => Self::nar(self, hash, expected).await?,
            (None, Some(nar_hash)) => self.nar_with_hash(&nar_hash).await?,
            (None, None) => None,
        };
        Ok(nar.map(|nar| self.answer(nar)))
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        Self::listing(self, hash).await
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        Self::log(self, name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        Self::realisation(self, id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        Self::build_trace(self, drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        Self::debuginfo(self, id).await
    }

    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError> {
        Self::file(self, hash, path).await
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.readable().await.err().map(NotReady::Store).into_iter().collect()
    }
}
