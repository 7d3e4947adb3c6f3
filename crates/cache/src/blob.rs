//! Bytes that a cache hands out, and NARs.

use std::{borrow::Cow, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{CacheError, Chunks, Piece, chunks::read_all};

/// Bytes of known length that never change: a NAR, compressed or not, a log, a file.
#[async_trait]
#[expect(clippy::len_without_is_empty, reason = "an empty file is a file")]
pub trait Blob: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// The strong validator without quotes: letters, digits, dots and dashes. The same bytes always have the same
    /// one, also after a restart and from another server with the same configuration.
    fn etag(&self) -> Cow<'_, str>;

    /// Its name in the directory that an nginx in front serves, where it is a file there.
    fn file_name(&self) -> Option<&str> {
        None
    }

    /// The absolute URL where a client gets the bytes without this server, where that is wanted.
    fn redirect(&self) -> Option<&str> {
        None
    }

    /// The bytes of `range`, which is not empty and lies within the blob. `None` when it was removed meanwhile.
    /// The first chunk of a stream has been read, so that a blob that is gone is known to be before a head is sent.
    ///
    /// # Errors
    /// When the bytes cannot be read; errors while reading come with the chunks.
    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError>;

    /// All bytes in memory. For small blobs: the caller has looked at [`Self::len`].
    ///
    /// # Errors
    /// As [`Self::read`].
    async fn read_whole(&self) -> Result<Option<Bytes>, CacheError> {
        if self.len() == 0 {
            return Ok(Some(Bytes::new()));
        }
        match self.read(0..self.len()).await? {
            None => Ok(None),
            Some(BlobBody::Whole(bytes)) => Ok(Some(bytes)),
            Some(BlobBody::Stream(mut chunks)) => {
                read_all(&mut *chunks, self.len()).await.map(Some)
            }
        }
    }
}

/// The bytes of a blob, or of a range of it.
pub enum BlobBody {
    /// All of them, read before the first one is sent.
    Whole(Bytes),
    /// Chunk by chunk.
    Stream(Box<dyn Chunks>),
}

/// A blob in memory.
#[derive(Clone, Debug)]
pub struct MemoryBlob {
    /// The bytes.
    pub bytes: Bytes,
    /// As [`Blob::etag`].
    pub etag: String,
}

#[async_trait]
impl Blob for MemoryBlob {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn etag(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.etag)
    }

    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        Ok(Some(BlobBody::Whole(slice(&self.bytes, range))))
    }
}

/// The part of bytes that lies in a range.
#[must_use]
pub fn slice(bytes: &Bytes, range: Range<u64>) -> Bytes {
    let index = |at| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    let (start, end) = (index(range.start), index(range.end));
    bytes.slice(start.min(end)..end)
}

/// Bytes that are made while they are read: their length is not known yet. Nothing is made before
/// [`finished`](Self::finished) or [`stream`](Self::stream).
#[async_trait]
pub trait GrowingBlob: Send + Sync {
    /// As [`Blob::etag`]; the finished blob has the same one.
    fn etag(&self) -> Cow<'_, str>;

    /// Waits for the last byte. `None` when the source was removed or is damaged.
    ///
    /// # Errors
    /// When the bytes cannot be made.
    async fn finished(&self) -> Result<Option<Arc<dyn Blob>>, CacheError>;

    /// The bytes from the first on, as they are made; the first ones are made when this returns. `None`
    /// as for [`finished`](Self::finished).
    ///
    /// # Errors
    /// When the first bytes cannot be made; errors after that come with the chunks.
    async fn stream(self: Box<Self>) -> Result<Option<Box<dyn Chunks>>, CacheError>;
}

/// A NAR as a cache has it.
pub enum NarAnswer {
    /// Its length is known and every range of it can be had.
    Finished(Arc<dyn Blob>),
    /// It is compressed while it is read.
    Growing(Box<dyn GrowingBlob>),
}

impl NarAnswer {
    /// As [`Blob::etag`].
    #[must_use]
    pub fn etag(&self) -> Cow<'_, str> {
        match self {
            Self::Finished(blob) => blob.etag(),
            Self::Growing(blob) => blob.etag(),
        }
    }
}

/// A whole NAR that can be sent without waiting for anything.
#[derive(Debug)]
pub struct ReadyNar {
    /// As [`Blob::etag`].
    pub etag: String,
    /// Length in bytes.
    pub len: u64,
    /// The bytes, or where they are.
    pub body: ReadyBody,
}

/// The bytes of a [`ReadyNar`], or where they are.
#[derive(Debug)]
pub enum ReadyBody {
    /// All of them.
    Piece(Piece),
    /// As [`Blob::file_name`].
    FileName(String),
}
