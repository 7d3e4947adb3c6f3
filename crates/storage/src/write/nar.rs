//! Taking a NAR: checked while it streams into the storage, and visible only when it is right.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{CacheError, NarUpload, PublishError, VerifiedNar, tasks_block_each_other};
use rns_formats::NarName;
use rns_verify::{AnnouncedNar, IncomingNar, KnownNar, ReceivedNar, WholeNar};
use tokio::sync::OwnedSemaphorePermit;

use super::storage::{Storage, index_unavailable, not_stored};
use crate::{
    blocking::on_one_thread,
    index::{Exclusive, IndexError, IndexLock, IndexedNar},
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
        let checked = match nar.received() {
            // Each step takes less time than its way to another thread.
            Ok(ReceivedNar::Whole(nar)) if last.storage.has_local_index() => {
                let checked = match tasks_block_each_other().then(|| nar.try_check()) {
                    None => Err(nar),
                    Some(Some(checked)) => Ok(checked),
                    // Another task of this thread may hold the memory that the check needs.
                    Some(None) => Ok(nar.check_on_pool().await),
                };
                let on_one_thread = on_one_thread(async move {
                    let checked = checked.unwrap_or_else(WholeNar::check);
                    last.checked(checked).await?.store_now().await
                });
                match on_one_thread.await.map_err(|_| CacheError::ShuttingDown)?? {
                    StoreAttempt::Stored(nar) => return Ok(nar),
                    StoreAttempt::Waits(checked) => *checked,
                }
            }
            Ok(ReceivedNar::Whole(nar)) => {
                let checked = nar.check_on_pool().await;
                last.checked(checked).await?
            }
            Ok(ReceivedNar::Streamed(nar)) => {
                let checked = nar.finish().await;
                last.checked(checked).await?
            }
            Err(error) => last.checked(Err(error)).await?,
        };
        checked.store().await
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
    /// Goes on with a NAR that was found right.
    async fn checked(
        self,
        checked: Result<VerifiedNar, PublishError>,
    ) -> Result<CheckedNar, PublishError> {
        match checked {
            Ok(nar) => Ok(CheckedNar { nar, last: self }),
            Err(error) => {
                self.writer.abort().await;
                Err(error)
            }
        }
    }
}

/// A NAR that is right, and not yet stored.
struct CheckedNar {
    nar: VerifiedNar,
    last: LastSteps,
}

/// The result of storing a NAR without waiting for others.
enum StoreAttempt {
    Stored(VerifiedNar),
    /// Others are at it.
    Waits(Box<CheckedNar>),
}

/// The index's knowledge of a NAR that is about to be stored.
enum Entered {
    /// Nothing more is to be noted.
    Noted,
    /// It is to be noted when it is stored.
    Begun,
    /// A NAR of its name is being removed.
    Removal,
}

/// Tells the index of a NAR that is about to be stored, under its lock.
async fn enter(
    storage: &Storage,
    key: &ObjectKey,
    nar: &IndexedNar,
) -> Result<Entered, IndexError> {
    // A file of this name may have other contents. It would count as verified if the upload failed after the note.
    if storage.reader.is_absent_now(key) && storage.index.enter_new_nar(key, nar).await? {
        return Ok(Entered::Noted);
    }
    let is_begun = storage.index.begin_nar(key).await?;
    Ok(if is_begun { Entered::Begun } else { Entered::Removal })
}

impl CheckedNar {
    /// Stores it, unless that means to wait for others.
    async fn store_now(self) -> Result<StoreAttempt, PublishError> {
        let storage = self.last.storage.clone();
        let (Some(_permit), Some(lock)) =
            (storage.try_local_task(), storage.index.try_lock(Exclusive::Nar(&self.last.key)))
        else {
            return Ok(StoreAttempt::Waits(self.into()));
        };
        let (key, nar) = (self.last.key.clone(), self.nar.into());
        match enter(&storage, &key, &nar).await {
            Ok(Entered::Noted) => self.write(&lock).await.map(StoreAttempt::Stored),
            Ok(Entered::Begun) => self.write_and_note(lock).await.map(StoreAttempt::Stored),
            Ok(Entered::Removal) => Ok(StoreAttempt::Waits(self.into())),
            Err(error) => {
                self.last.writer.abort().await;
                Err(index_unavailable(error).into())
            }
        }
    }

    /// Stores it. One of this name that is just being removed must be gone before this one is there.
    async fn store(self) -> Result<VerifiedNar, PublishError> {
        match self.last.storage.begin_nar_at(&self.last.key).await {
            Ok(lock) => self.write_and_note(lock).await,
            Err(error) => {
                self.last.writer.abort().await;
                Err(error)
            }
        }
    }

    /// Makes it visible and notes it, under its lock.
    async fn write_and_note(self, lock: IndexLock) -> Result<VerifiedNar, PublishError> {
        let (storage, key) = (self.last.storage.clone(), self.last.key.clone());
        let nar = self.write(&lock).await?;
        storage.index.put_nar(&key, &nar.into()).await.map_err(index_unavailable)?;
        Ok(nar)
    }

    /// Makes it visible.
    async fn write(self, _: &IndexLock) -> Result<VerifiedNar, PublishError> {
        let Self { nar, last: LastSteps { writer, storage, key, _permit } } = self;
        writer.finish().await.map_err(not_stored)?;
        storage.reader.note_nar_size(&key, nar.file_size);
        Ok(nar)
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::{Sha256Digest, StoreDir};

    use super::*;
    use crate::{
        index::sqlite::SqliteIndex,
        objects::Objects,
        read::StorageReader,
        write::{Nowhere, UploadLimits},
    };

    #[tokio::test]
    async fn no_file_that_lies_there_counts_as_the_nar_that_is_about_to_be_stored() {
        let scratch = tempfile::tempdir().unwrap();
        let url = format!("file://{}", scratch.path().join("cache").display()).parse().unwrap();
        let objects = Objects::create(&url, false).unwrap();
        let index = Arc::new(SqliteIndex::new(scratch.path().join("index.sqlite"), false));
        let reader = StorageReader::new(objects, StoreDir::default(), 1 << 20);
        let storage = Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default());
        storage.initialise().await.unwrap();
        let key = ObjectKey::listed("nar/a.nar");
        let digest = Sha256Digest::of(b"right");
        let nar = IndexedNar { file_hash: digest, file_size: 5, nar_hash: digest, nar_size: 5 };
        storage.objects().write_small(&key, Bytes::from_static(b"wrong")).await.unwrap();
        let entered = enter(&storage, &key, &nar).await.unwrap();
        assert!(matches!(entered, Entered::Begun));
        // If this upload fails, the next one is not told that the NAR is there.
        assert_eq!(storage.index.nar(&key).await.unwrap(), None);
        assert_eq!(stored(&storage, &key, Some(5)).await.unwrap(), None);
    }
}
