//! Taking a NAR: checked while it streams into the storage, and visible only when it is right.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{CacheError, NarUpload, PublishError, VerifiedNar};
use rns_formats::{NarName, Sha256Digest};
use tokio::sync::OwnedSemaphorePermit;

use super::storage::{Storage, index_unavailable, not_stored};
use crate::{
    index::IndexedNar,
    objects::{ObjectKey, ObjectWriter},
    read::unavailable,
    verify::{NarFeed, NarRejection, is_supported},
};

/// What compression may add to a NAR that cannot be compressed, in bytes.
const COMPRESSION_MARGIN: u64 = 16 << 20;

/// Begins to take a NAR.
pub(super) async fn begin(
    storage: &Storage,
    name: &NarName,
    length: Option<u64>,
) -> Result<Box<dyn NarUpload>, PublishError> {
    let malformed =
        |why: &str| PublishError::Malformed { object: name.to_string(), why: why.into() };
    let (None, Some(file_hash)) = (name.hash_part, name.nar_hash) else {
        return Err(malformed("an uploaded NAR is named by the hash of its file"));
    };
    if !is_supported(name.compression) {
        return Err(malformed(
            "this compression is not accepted; use zstd, xz, bzip2, gzip, br or none",
        ));
    }
    let key = ObjectKey::nar(name);
    if length.is_some_and(|length| length > storage.limits.max_nar_size) {
        return Err(PublishError::TooLarge {
            object: key.to_string(),
            limit: storage.limits.max_nar_size,
        });
    }
    if let Some(known) = stored(storage, &key, length).await? {
        return Ok(Box::new(KnownUpload { nar: verified(&known) }));
    }
    let permit = Arc::clone(&storage.uploads).acquire_owned().await;
    let permit = permit.map_err(|_| CacheError::ShuttingDown)?;
    let writer = storage.objects().writer(&key, length).map_err(not_stored)?;
    Ok(Box::new(CheckedUpload {
        feed: NarFeed::start(
            name.compression,
            storage.limits.max_nar_size,
            Arc::clone(&storage.decoder_memory),
        ),
        writer,
        storage: storage.clone(),
        key,
        file_hash,
        length,
        received: 0,
        _permit: permit,
    }))
}

/// What is known of a NAR that is stored and stays. One that was truncated since is uploaded again.
async fn stored(
    storage: &Storage,
    key: &ObjectKey,
    length: Option<u64>,
) -> Result<Option<IndexedNar>, PublishError> {
    if !storage.index.touch_nar(key).await.map_err(index_unavailable)? {
        return Ok(None);
    }
    let known = storage.index.nar(key).await.map_err(index_unavailable)?;
    let Some(known) = known else { return Ok(None) };
    let found = storage.objects().head(key).await.map_err(unavailable)?;
    let is_whole = found.is_some_and(|found| found.size == known.file_size);
    let is_same = length.is_none_or(|length| length == known.file_size);
    Ok((is_whole && is_same).then_some(known))
}

pub(super) const fn verified(known: &IndexedNar) -> VerifiedNar {
    VerifiedNar {
        nar_hash: known.nar_hash,
        nar_size: known.nar_size,
        file_hash: known.file_hash,
        file_size: known.file_size,
    }
}

/// A NAR that is there already: its bytes are taken and dropped, since the client sends them all the same.
struct KnownUpload {
    nar: VerifiedNar,
}

#[async_trait]
impl NarUpload for KnownUpload {
    async fn write(&mut self, _: Bytes) -> Result<(), PublishError> {
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<VerifiedNar, PublishError> {
        Ok(self.nar)
    }
}

/// A NAR that is checked and stored at the same time.
struct CheckedUpload {
    feed: NarFeed,
    writer: ObjectWriter,
    storage: Storage,
    key: ObjectKey,
    file_hash: Sha256Digest,
    length: Option<u64>,
    received: u64,
    _permit: OwnedSemaphorePermit,
}

impl CheckedUpload {
    fn wrong_length(&self) -> PublishError {
        PublishError::Mismatch {
            object: self.key.to_string(),
            expected: format!("{} bytes", self.length.unwrap_or_default()),
            found: format!("{} bytes or more", self.received),
        }
    }
}

fn refused(key: &ObjectKey, rejection: NarRejection) -> PublishError {
    let object = key.to_string();
    match rejection {
        NarRejection::TooLarge { limit } => PublishError::TooLarge { object, limit },
        other => PublishError::Malformed { object, why: other.to_string() },
    }
}

#[async_trait]
impl NarUpload for CheckedUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), PublishError> {
        self.received += chunk.len() as u64;
        if self.length.is_some_and(|length| self.received > length) {
            return Err(self.wrong_length());
        }
        // Compressed data that unpacks to nothing would never end otherwise.
        let limit = self.storage.limits.max_nar_size;
        if self.received > limit.saturating_add(COMPRESSION_MARGIN) {
            return Err(PublishError::TooLarge { object: self.key.to_string(), limit });
        }
        if let Err(rejection) = self.feed.push(chunk.clone()).await {
            return Err(refused(&self.key, rejection));
        }
        self.writer.write(chunk).await.map_err(not_stored)
    }

    async fn finish(self: Box<Self>) -> Result<VerifiedNar, PublishError> {
        if self.length.is_some_and(|length| self.received != length) {
            let error = self.wrong_length();
            self.writer.abort().await;
            return Err(error);
        }
        let Self { feed, writer, storage, key, file_hash, .. } = *self;
        let check = match feed.finish().await {
            Ok(check) if check.file.file_hash == file_hash => check,
            Ok(check) => {
                writer.abort().await;
                return Err(PublishError::Mismatch {
                    object: key.to_string(),
                    expected: format!("the SHA-256 {}", file_hash.to_nix32()),
                    found: format!("the SHA-256 {}", check.file.file_hash.to_nix32()),
                });
            }
            Err(rejection) => {
                writer.abort().await;
                return Err(refused(&key, rejection));
            }
        };
        let nar = IndexedNar::from(check);
        let _lock = match storage.lock_nar(&key).await {
            Ok(lock) => lock,
            Err(error) => {
                writer.abort().await;
                return Err(error.into());
            }
        };
        writer.finish().await.map_err(not_stored)?;
        storage.reader.forget_nar(&key);
        storage.index.put_nar(&key, &nar).await.map_err(index_unavailable)?;
        Ok(verified(&nar))
    }
}
