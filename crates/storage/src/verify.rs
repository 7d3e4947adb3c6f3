//! Checks of NARs that lie in the storage already.

use std::sync::Arc;

use futures_util::StreamExt as _;
use rns_formats::{Compression, Hash};
use rns_verify::{ContentFeed, ContentHash, DecoderMemory, NarCheck, NarFeed, NarRejection};

use crate::objects::{ObjectError, ObjectKey, Objects};

/// Reads a stored NAR whole and checks it. `None` when it is not there.
///
/// # Errors
/// When the storage cannot be read; the inner error says why it is no NAR.
pub async fn check_stored(
    objects: &Objects,
    key: &ObjectKey,
    compression: Compression,
    max_nar_size: u64,
    memory: &Arc<DecoderMemory>,
) -> Result<Option<Result<NarCheck, NarRejection>>, ObjectError> {
    let Some(info) = objects.head(key).await? else { return Ok(None) };
    let Some(mut chunks) = objects.read(key, 0..info.size).await? else { return Ok(None) };
    let mut feed = NarFeed::start(compression, max_nar_size, Arc::clone(memory));
    while let Some(chunk) = chunks.next().await {
        if let Err(rejection) = feed.push(chunk?).await {
            return Ok(Some(Err(rejection)));
        }
    }
    Ok(Some(feed.finish().await))
}

/// Computes a content hash of a stored NAR: every form of it that clients have written. `None` when it is not there.
///
/// # Errors
/// As [`check_stored`].
pub async fn hash_stored(
    objects: &Objects,
    key: &ObjectKey,
    compression: Compression,
    wanted: ContentHash,
    memory: &Arc<DecoderMemory>,
) -> Result<Option<Result<Vec<Hash>, NarRejection>>, ObjectError> {
    let Some(info) = objects.head(key).await? else { return Ok(None) };
    let Some(mut chunks) = objects.read(key, 0..info.size).await? else { return Ok(None) };
    let mut feed = ContentFeed::start(compression, wanted, memory);
    while let Some(chunk) = chunks.next().await {
        if !feed.push(chunk?).await {
            break;
        }
    }
    Ok(Some(feed.finish().await))
}
