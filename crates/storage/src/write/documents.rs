//! Listings, logs, realisations and debug information.

use bytes::Bytes;
use rns_cache::{BinaryCache as _, CacheError, DebugInfo, PublishError};
use rns_formats::{
    BuildId, BuildTraceEntry, HashPart, LogName, NarListing, Realisation, Signature,
};
use rns_verify::narinfo::name_in_url;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::storage::not_stored;
use crate::{
    objects::{ObjectKey, Objects},
    read::{MAX_DOCUMENT_BYTES, MAX_LISTING_BYTES, MAX_LOG_BYTES, StorageReader, unavailable},
};

fn at_most(object: &ObjectKey, bytes: &Bytes, limit: u64) -> Result<(), PublishError> {
    if bytes.len() as u64 > limit {
        return Err(PublishError::TooLarge { object: object.to_string(), limit });
    }
    Ok(())
}

fn malformed(object: &ObjectKey, why: &dyn std::fmt::Display) -> PublishError {
    PublishError::Malformed { object: object.to_string(), why: why.to_string() }
}

async fn write(objects: &Objects, key: &ObjectKey, bytes: Bytes) -> Result<(), PublishError> {
    objects.write_small(key, bytes).await.map_err(not_stored)
}

/// Writes an object that describes a path. The first one stays: another pusher cannot change the description of a path.
async fn write_first(objects: &Objects, key: &ObjectKey, bytes: Bytes) -> Result<(), PublishError> {
    if objects.head(key).await.map_err(unavailable)?.is_some() {
        return Ok(());
    }
    write(objects, key, bytes).await
}

pub(super) async fn put_listing(
    objects: &Objects,
    hash: HashPart,
    json: Bytes,
) -> Result<(), PublishError> {
    let key = ObjectKey::listing(&hash);
    at_most(&key, &json, MAX_LISTING_BYTES)?;
    let text = json.clone();
    let parsed = spawn_blocking(move || NarListing::parse(&text).map(|_| ())).await;
    parsed
        .map_err(|_| PublishError::from(CacheError::ShuttingDown))?
        .map_err(|error| malformed(&key, &error))?;
    write_first(objects, &key, json).await
}

pub(super) async fn put_log(
    objects: &Objects,
    name: &LogName,
    text: Bytes,
) -> Result<(), PublishError> {
    // The first reading of the name uses up the query, as clients mean it.
    let Some(derivation) = name.candidates().next() else {
        return Err(PublishError::Malformed {
            object: "the log".to_owned(),
            why: "it is of no derivation".to_owned(),
        });
    };
    let key = ObjectKey::log(derivation);
    at_most(&key, &text, MAX_LOG_BYTES)?;
    write_first(objects, &key, text).await
}

pub(super) async fn put_realisation(
    reader: &StorageReader,
    realisation: &Realisation,
) -> Result<(), PublishError> {
    let key = ObjectKey::realisation(&realisation.id);
    let mut new = realisation.clone();
    if let Some(stored) = reader.realisation(&realisation.id).await? {
        if stored.out_path != realisation.out_path {
            return Err(PublishError::Conflict { object: key.to_string() });
        }
        new.signatures = merged(stored.signatures, new.signatures);
    }
    let json = Bytes::from(new.to_json());
    at_most(&key, &json, MAX_DOCUMENT_BYTES)?;
    write(reader.objects(), &key, json).await
}

pub(super) async fn put_build_trace(
    reader: &StorageReader,
    entry: &BuildTraceEntry,
) -> Result<(), PublishError> {
    let output = entry.output_name.as_str();
    let key = ObjectKey::build_trace(&entry.drv_path, output);
    let mut new = entry.clone();
    if let Some(stored) = reader.build_trace(&entry.drv_path, output).await? {
        if stored.out_path != entry.out_path {
            return Err(PublishError::Conflict { object: key.to_string() });
        }
        new.signatures = merged(stored.signatures, new.signatures);
    }
    let json = Bytes::from(new.to_json());
    at_most(&key, &json, MAX_DOCUMENT_BYTES)?;
    write(reader.objects(), &key, json).await
}

fn merged(mut stored: Vec<Signature>, new: Vec<Signature>) -> Vec<Signature> {
    for signature in new {
        if !stored.contains(&signature) {
            stored.push(signature);
        }
    }
    stored
}

pub(super) async fn put_debug_info(
    objects: &Objects,
    id: &BuildId,
    info: &DebugInfo,
) -> Result<(), PublishError> {
    let key = ObjectKey::debug_info(id);
    let url = info.archive.strip_prefix("../").unwrap_or_default();
    if name_in_url(url).is_none() {
        return Err(malformed(&key, &"its archive is no NAR of this cache"));
    }
    let is_inside = !info.member.starts_with('/')
        && info.member.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_inside {
        return Err(malformed(&key, &"its member is no name inside an archive"));
    }
    let json = json!({ "archive": info.archive, "member": info.member }).to_string();
    let json = Bytes::from(json);
    at_most(&key, &json, MAX_DOCUMENT_BYTES)?;
    write_first(objects, &key, json).await
}
