//! Taking a NAR: checked while it streams into the storage, and visible only when it is right.

use std::{future::ready, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{CacheError, NarUpload, PublishError, VerifiedNar};
use rns_formats::NarName;
use rns_verify::{AnnouncedNar, IncomingNar, KnownNar, ReceivedNar};
use tokio::sync::OwnedSemaphorePermit;

use super::storage::{Storage, index_unavailable, not_stored};
use crate::{
    index::IndexedNar,
    objects::{ObjectKey, ObjectWriter},
    read::unavailable,
};

/// Begins to take a NAR.
pub(super) async fn begin(
    storage: &Storage,
    name: &NarName,
    length: Option<u64>,
) -> Result<Box<dyn NarUpload>, PublishError> {
    let announced = AnnouncedNar::parse(name, length, storage.limits.max_nar_size)?;
    let key = ObjectKey::nar(name);
    // Mostly the client has asked just before, and was told that it is not there.
    if !storage.reader.is_absent_now(&key)
        && let Some(known) = stored(storage, &key, length).await?
    {
        return Ok(Box::new(KnownNar(known.verified())));
    }
    let permit = Arc::clone(&storage.uploads).acquire_owned().await;
    let permit = permit.map_err(|_| CacheError::ShuttingDown)?;
    let writer = storage.objects().writer(&key, length).map_err(not_stored)?;
    Ok(Box::new(CheckedUpload {
        nar: announced.begin(Arc::clone(&storage.decoder_memory)),
        writer,
        storage: storage.clone(),
        key,
        _permit: permit,
    }))
}

/// The record of a NAR that is stored and stays. One that was truncated since is uploaded again.
pub(super) async fn stored(
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

/// A NAR that is checked and stored at the same time.
struct CheckedUpload {
    nar: IncomingNar,
    writer: ObjectWriter,
    storage: Storage,
    key: ObjectKey,
    _permit: OwnedSemaphorePermit,
}

#[async_trait]
impl NarUpload for CheckedUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), PublishError> {
        self.nar.take(chunk.clone()).await?;
        self.writer.write(chunk).await.map_err(not_stored)
    }

    async fn finish(self: Box<Self>) -> Result<VerifiedNar, PublishError> {
        let Self { nar, writer, storage, key, _permit } = *self;
        let last = LastSteps { writer, storage, key, _permit };
        match nar.received() {
            // Each step takes less time than its way to another thread.
            Ok(ReceivedNar::Whole(nar)) if last.storage.is_local() => {
                last.storage.clone().on_one_thread(last.take(async move { nar.check() })).await?
            }
            Ok(ReceivedNar::Whole(nar)) => last.take(nar.check_on_pool()).await,
            Ok(ReceivedNar::Streamed(nar)) => last.take(nar.finish()).await,
            Err(error) => last.take(ready(Err(error))).await,
        }
    }
}

/// The steps that follow the last bytes.
struct LastSteps {
    writer: ObjectWriter,
    storage: Storage,
    key: ObjectKey,
    _permit: OwnedSemaphorePermit,
}

impl LastSteps {
    /// Waits for the check, and stores what it finds right.
    async fn take(
        self,
        check: impl Future<Output = Result<VerifiedNar, PublishError>> + Send,
    ) -> Result<VerifiedNar, PublishError> {
        let Self { writer, storage, key, _permit } = self;
        let nar = match check.await {
            Ok(nar) => nar,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        // One of this name that is just being removed must be gone before this one is there.
        let _lock = match storage.begin_nar_at(&key).await {
            Ok(lock) => lock,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        writer.finish().await.map_err(not_stored)?;
        storage.reader.forget_nar(&key);
        storage.index.put_nar(&key, &nar.into()).await.map_err(index_unavailable)?;
        Ok(nar)
    }
}
