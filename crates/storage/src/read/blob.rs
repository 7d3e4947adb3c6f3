//! An object as bytes for clients.

use std::{
    borrow::Cow,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use rns_cache::{Blob, BlobBody, CacheError, Chunks};

use super::records::unavailable;
use crate::objects::{ObjectError, ObjectKey, Objects};

/// An object of known length.
pub(super) struct ObjectBlob {
    objects: Objects,
    key: ObjectKey,
    size: u64,
    etag: String,
    /// Where clients get it without this server.
    url: Option<String>,
}

impl ObjectBlob {
    pub(super) const fn new(
        objects: Objects,
        key: ObjectKey,
        size: u64,
        etag: String,
        url: Option<String>,
    ) -> Self {
        Self { objects, key, size, etag, url }
    }
}

#[async_trait]
impl Blob for ObjectBlob {
    fn len(&self) -> u64 {
        self.size
    }

    fn etag(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.etag)
    }

    fn redirect(&self) -> Option<&str> {
        self.url.as_deref()
    }

    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        let missing = range.end.saturating_sub(range.start);
        let read = self.objects.read(&self.key, range).await.map_err(unavailable)?;
        let Some(mut chunks) = read else { return Ok(None) };
        let first = loop {
            match chunks.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(chunk) => break chunk.map_err(unavailable)?,
                None => return Err(cut_short(&self.key)),
            }
        };
        if first.len() as u64 == missing {
            return Ok(Some(BlobBody::Whole(first)));
        }
        let key = self.key.clone();
        let body = ObjectChunks { first: Some(first), chunks, missing, key };
        Ok(Some(BlobBody::Stream(Box::new(body))))
    }
}

/// A bucket, or a file that was changed by hand, can end early; the client must notice.
fn cut_short(key: &ObjectKey) -> CacheError {
    CacheError::Invalid { object: key.to_string(), why: "it ends before its length".to_owned() }
}

/// The chunks of an object, or of a range of it.
struct ObjectChunks {
    first: Option<Bytes>,
    chunks: BoxStream<'static, Result<Bytes, ObjectError>>,
    /// Bytes that have not come yet.
    missing: u64,
    key: ObjectKey,
}

impl Chunks for ObjectChunks {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        loop {
            let chunk = match self.first.take() {
                Some(chunk) => Some(Ok(chunk)),
                None if self.missing == 0 => None,
                None => ready!(Pin::new(&mut self.chunks).poll_next(cx)),
            };
            return Poll::Ready(match chunk {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => {
                    let left = self.missing.checked_sub(chunk.len() as u64);
                    self.missing = left.unwrap_or(0);
                    Some(left.map(|_| chunk).ok_or_else(|| cut_short(&self.key)))
                }
                Some(Err(error)) => {
                    self.missing = 0;
                    Some(Err(unavailable(error)))
                }
                None if self.missing > 0 => {
                    self.missing = 0;
                    Some(Err(cut_short(&self.key)))
                }
                None => None,
            });
        }
    }
}
