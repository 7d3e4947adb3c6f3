//! The target of a push: a cache over HTTP, or a directory or bucket.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rns_client::{CacheClient, Liveness, RequestError, RequestFailure, UploadBody};
use rns_formats::{
    BuildTraceEntry, CacheInfo, HashPart, NarInfo, NarName, PathInfo, Realisation, StoreDir,
    StorePath,
};

use crate::{document::PushedDocument, error::PushError, storage_target::StorageTarget};

/// Objects of a storage that are looked for at the same time.
const MAX_STORAGE_LOOKUPS: usize = 32;

/// The target of a push.
#[derive(Clone)]
pub enum PushTarget {
    /// A cache over HTTP.
    Cache(CacheClient),
    /// A directory or bucket.
    Storage(StorageTarget),
}

impl PushTarget {
    /// Makes sure that there is a binary cache for this store directory. A server that takes everything and has no
    /// `nix-cache-info` is made one, as stock Nix does.
    ///
    /// # Errors
    /// When it cannot be reached, or is a cache of other paths.
    pub async fn prepare(&self, store_dir: &StoreDir) -> Result<(), PushError> {
        let Self::Cache(client) = self else { return Ok(()) };
        match client.info().await? {
            Some(info) if info.store_dir == *store_dir => Ok(()),
            Some(info) => Err(RequestError {
                request: client.url().to_string(),
                failure: RequestFailure::Malformed(format!(
                    "it is a cache of {}, not of {}",
                    info.store_dir.as_str(),
                    store_dir.as_str()
                )),
            }
            .into()),
            None => {
                let info = CacheInfo { store_dir: store_dir.clone(), ..CacheInfo::default() };
                Ok(client.put_info(&CacheInfo { want_mass_query: true, ..info }).await?)
            }
        }
    }

    /// Those of the paths that are not there. An answer is also a promise, where the target makes promises.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub(crate) async fn missing(
        &self,
        hashes: &[HashPart],
        liveness: &Liveness,
    ) -> Result<HashSet<HashPart>, PushError> {
        match self {
            Self::Cache(client) => Ok(client.missing(hashes).await?),
            Self::Storage(storage) => {
                let lookups = stream::iter(hashes).map(async |hash| {
                    let is_there = storage.has_path(hash).await?;
                    liveness.note();
                    Ok::<_, PushError>((!is_there).then_some(*hash))
                });
                let asked = lookups.buffer_unordered(MAX_STORAGE_LOOKUPS);
                asked.try_filter_map(async |missing| Ok(missing)).try_collect().await
            }
        }
    }

    pub(crate) async fn has_nar(&self, name: &NarName) -> Result<bool, PushError> {
        match self {
            Self::Cache(client) => Ok(client.has_nar(name).await?),
            Self::Storage(storage) => storage.has_nar(name).await,
        }
    }

    pub(crate) async fn put_nar(
        &self,
        name: &NarName,
        body: &UploadBody,
        liveness: &Liveness,
    ) -> Result<(), PushError> {
        match self {
            Self::Cache(client) => Ok(client.put_nar(name, body.clone()).await?),
            Self::Storage(storage) => storage.put_nar(name, body, liveness).await,
        }
    }

    pub(crate) async fn put_narinfo(
        &self,
        narinfo: &NarInfo,
        store_dir: &StoreDir,
    ) -> Result<(), PushError> {
        match self {
            Self::Cache(client) => Ok(client.put_narinfo(narinfo, store_dir).await?),
            Self::Storage(storage) => storage.put_narinfo(narinfo).await,
        }
    }

    /// Returns true if this document about a path is there.
    pub(crate) async fn has_document(
        &self,
        info: &PathInfo,
        document: &PushedDocument,
    ) -> Result<bool, PushError> {
        let client = match self {
            Self::Cache(client) => client,
            Self::Storage(storage) => return storage.has_document(info, document).await,
        };
        Ok(match document {
            PushedDocument::Listing => client.has_listing(&info.path.hash_part()).await?,
            PushedDocument::Log(derivation) => client.has_log(derivation).await?,
            PushedDocument::Realisation(realisation) => {
                client.has_realisation(&realisation.id).await?
            }
            PushedDocument::BuildTrace(entry) => {
                client.has_build_trace(&entry.drv_path, entry.output_name.as_str()).await?
            }
        })
    }

    pub(crate) async fn put_listing(&self, hash: &HashPart, json: Bytes) -> Result<(), PushError> {
        match self {
            Self::Cache(client) => Ok(client.put_listing(hash, json).await?),
            Self::Storage(storage) => storage.put_listing(hash, json).await,
        }
    }

    pub(crate) async fn put_log(
        &self,
        derivation: &StorePath,
        text: UploadBody,
        built: &StorePath,
    ) -> Result<(), PushError> {
        match self {
            Self::Cache(client) => Ok(client.put_log(derivation, text, built).await?),
            Self::Storage(storage) => storage.put_log(derivation, &text, built).await,
        }
    }

    pub(crate) async fn put_realisation(&self, realisation: &Realisation) -> Result<(), PushError> {
        match self {
            Self::Cache(client) => Ok(client.put_realisation(realisation).await?),
            Self::Storage(storage) => storage.put_realisation(realisation).await,
        }
    }

    pub(crate) async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), PushError> {
        match self {
            Self::Cache(client) => Ok(client.put_build_trace(entry).await?),
            Self::Storage(storage) => storage.put_build_trace(entry).await,
        }
    }
}
