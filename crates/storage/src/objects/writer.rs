//! Writing an object of any size through bounded memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};

use super::{ObjectError, ObjectKey, directory_file::DirectoryFile};

/// Objects up to this size are written by one request.
const MAX_SINGLE_PUT_BYTES: usize = 10 << 20;

/// The smallest part that a bucket takes, apart from the last one.
const MIN_PART_BYTES: u64 = 5 << 20;

/// Parts of an object whose length is not known: enough for 140 GiB.
const UNKNOWN_PART_BYTES: u64 = 16 << 20;

/// Parts that an object may have are 10,000; some room is left.
const MAX_PARTS: u64 = 9_000;

/// The bytes written to a file at a time.
const FILE_PART_BYTES: usize = 512 << 10;

/// An object that is being written. Dropped before [`Self::finish`], nothing of it is visible.
pub struct ObjectWriter {
    store: Arc<dyn ObjectStore>,
    path: Path,
    key: ObjectKey,
    /// Its file, where the storage is a directory.
    file: Option<DirectoryFile>,
    buffer: BytesMut,
    part_bytes: usize,
    first_part_bytes: usize,
    parts: Option<Box<dyn MultipartUpload>>,
    /// The bytes that it was given.
    taken: u64,
}

impl ObjectWriter {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        path: Path,
        key: ObjectKey,
        expected_size: Option<u64>,
        file: Option<DirectoryFile>,
    ) -> Self {
        let is_directory = file.is_some();
        let part_bytes = if is_directory {
            FILE_PART_BYTES
        } else {
            let wanted = match expected_size {
                Some(size) => size.div_ceil(MAX_PARTS).max(MIN_PART_BYTES),
                None => UNKNOWN_PART_BYTES,
            };
            usize::try_from(wanted).unwrap_or(usize::MAX)
        };
        // A file needs no part of its own to become one object; a bucket is spared two requests.
        let is_single = expected_size.is_some_and(|size| size <= MAX_SINGLE_PUT_BYTES as u64);
        let first_part_bytes =
            if is_single && !is_directory { MAX_SINGLE_PUT_BYTES } else { part_bytes };
        Self {
            store,
            path,
            key,
            file,
            buffer: BytesMut::new(),
            part_bytes,
            first_part_bytes,
            parts: None,
            taken: 0,
        }
    }

    /// Takes the next bytes; waits while the storage is behind.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn write(&mut self, mut chunk: Bytes) -> Result<(), ObjectError> {
        self.taken += chunk.len() as u64;
        while !chunk.is_empty() {
            let limit = if self.parts.is_some() { self.part_bytes } else { self.first_part_bytes };
            let room = limit.saturating_sub(self.buffer.len());
            let taken = chunk.split_to(room.min(chunk.len()));
            self.buffer.extend_from_slice(&taken);
            if self.buffer.len() >= limit && !chunk.is_empty() {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), ObjectError> {
        let part = PutPayload::from_bytes(self.buffer.split().freeze());
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let begun = self.store.put_multipart(&self.path).await;
                self.parts.insert(begun.map_err(ObjectError::of("write", &self.key))?)
            }
        };
        parts.put_part(part).await.map_err(ObjectError::of("write", &self.key))
    }

    /// Makes the object visible.
    ///
    /// # Errors
    /// `Unavailable`: then nothing of it is visible, or, where only the answer was lost, all of it.
    pub async fn finish(mut self) -> Result<(), ObjectError> {
        if self.parts.is_none() {
            let bytes = self.buffer.split().freeze();
            if let Some(file) = &self.file
                && file.write(&self.key, bytes.clone()).await?
            {
                return Ok(());
            }
            let put = self.store.put(&self.path, PutPayload::from_bytes(bytes)).await;
            return put.map(|_| ()).map_err(ObjectError::of("write", &self.key));
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        match parts.complete().await {
            Ok(_) => Ok(()),
            Err(error) => {
                // The order was carried out where only its answer was lost: a repeated one finds no upload any more.
                let found = self.store.head(&self.path).await;
                if found.is_ok_and(|found| found.size == self.taken) {
                    return Ok(());
                }
                _ = parts.abort().await;
                Err(ObjectError::of("write", &self.key)(error))
            }
        }
    }

    /// Gives the object up and removes the parts that were sent.
    pub async fn abort(mut self) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(key = %self.key, "an unfinished upload stays behind in the storage: {error}");
        }
    }
}

impl Drop for ObjectWriter {
    /// The client left: a bucket keeps, and bills, parts that are not taken back.
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { _ = parts.abort().await });
        }
    }
}
