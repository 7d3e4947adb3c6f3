//! Listings, logs, realisations and debug information as they lie in the storage.

use std::sync::Arc;

use bytes::Bytes;
use rns_cache::{BuildLog, CacheError, DebugInfo, Listing, LogContents, MemoryBlob};
use rns_formats::{
    BuildTraceEntry, DrvOutputId, HashPart, LogName, MAX_DOCUMENT_BYTES, MAX_LISTING_BYTES,
    MAX_LOG_BYTES, Realisation, Sha256Digest, StorePath, StorePathName,
};
use serde::Deserialize;

use super::records::unavailable;
use crate::objects::{ObjectKey, Objects};

pub(super) async fn listing(
    objects: &Objects,
    hash: HashPart,
) -> Result<Option<Listing>, CacheError> {
    let json = read(objects, &ObjectKey::listing(&hash), MAX_LISTING_BYTES).await?;
    Ok(json.map(|json| Listing { etag: etag(&json), json }))
}

pub(super) async fn log(objects: &Objects, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
    for derivation in name.candidates() {
        if let Some(text) = read(objects, &ObjectKey::log(derivation), MAX_LOG_BYTES).await? {
            let blob = MemoryBlob { etag: etag(&text), bytes: text };
            let etag = blob.etag.clone();
            return Ok(Some(BuildLog { etag, contents: LogContents::Sized(Arc::new(blob)) }));
        }
    }
    Ok(None)
}

pub(super) async fn realisation(
    objects: &Objects,
    id: &DrvOutputId,
) -> Result<Option<Realisation>, CacheError> {
    let key = ObjectKey::realisation(id);
    let Some(json) = text(objects, &key).await? else { return Ok(None) };
    let found = Realisation::parse(&json).map_err(|error| invalid(&key, &error))?;
    if found.id == *id { Ok(Some(found)) } else { Err(invalid(&key, &"it has another id")) }
}

pub(super) async fn build_trace(
    objects: &Objects,
    drv: &StorePath,
    output: &str,
) -> Result<Option<BuildTraceEntry>, CacheError> {
    let key = ObjectKey::build_trace(drv, output);
    let Some(json) = text(objects, &key).await? else { return Ok(None) };
    let Ok(output) = StorePathName::parse(output) else { return Ok(None) };
    let found = BuildTraceEntry::parse(drv.clone(), output, &json);
    found.map(Some).map_err(|error| invalid(&key, &error))
}

pub(super) async fn debug_info(
    objects: &Objects,
    key: &ObjectKey,
) -> Result<Option<DebugInfo>, CacheError> {
    /// Nix writes them with `index-debug-info`.
    #[derive(Deserialize)]
    struct Written {
        archive: String,
        member: String,
    }
    let Some(json) = text(objects, key).await? else { return Ok(None) };
    let Written { archive, member } =
        serde_json::from_str(&json).map_err(|error| invalid(key, &error))?;
    Ok(Some(DebugInfo { archive, member }))
}

async fn read(objects: &Objects, key: &ObjectKey, limit: u64) -> Result<Option<Bytes>, CacheError> {
    objects.read_small(key, limit).await.map_err(unavailable)
}

async fn text(objects: &Objects, key: &ObjectKey) -> Result<Option<String>, CacheError> {
    let Some(bytes) = read(objects, key, MAX_DOCUMENT_BYTES).await? else { return Ok(None) };
    String::from_utf8(bytes.to_vec()).map(Some).map_err(|error| invalid(key, &error))
}

fn invalid(key: &ObjectKey, why: &dyn std::fmt::Display) -> CacheError {
    CacheError::Invalid { object: key.to_string(), why: why.to_string() }
}

fn etag(bytes: &[u8]) -> String {
    Sha256Digest::of(bytes).to_nix32()
}
