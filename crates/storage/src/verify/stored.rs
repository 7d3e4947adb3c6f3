//! Checks of NARs that lie in the storage already.

use std::sync::Arc;

use futures_util::StreamExt as _;
use rns_formats::{Compression, Hash};
use tokio::{sync::mpsc::channel, task::spawn_blocking};

use super::{
    ContentHash, DecoderMemory, NarCheck, NarFeed, NarRejection, content_hash,
    pipe::{ChunkReader, MAX_WAITING_CHUNKS},
};
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
    let Some(mut chunks) = objects.read(key, 0..info.size.max(1)).await? else { return Ok(None) };
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
    let Some(mut chunks) = objects.read(key, 0..info.size.max(1)).await? else { return Ok(None) };
    let (sender, receiver) = channel(MAX_WAITING_CHUNKS);
    let memory = Arc::clone(memory);
    let hashing = spawn_blocking(move || {
        content_hash::hash(ChunkReader::new(receiver), compression, wanted, &memory)
    });
    while let Some(chunk) = chunks.next().await {
        // The hasher has ended early where it refuses the NAR: its result says why.
        if sender.send(chunk?).await.is_err() {
            break;
        }
    }
    _ = sender.send(bytes::Bytes::new()).await;
    drop(sender);
    let hashed = hashing.await;
    Ok(Some(hashed.unwrap_or_else(|error| Err(NarRejection::Input(std::io::Error::other(error))))))
}
