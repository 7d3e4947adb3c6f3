//! A NAR that is not compressed yet, or is being compressed.

use std::{borrow::Cow, mem, os::fd::OwnedFd, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{Blob, CacheError, Chunks, GrowingBlob};
use tokio::task::spawn_blocking;

use super::{
    cache::NarCache,
    encode_job,
    encode_progress::{EncodeFailure, EncodeReader, EncodeStage, gone},
    finished::{Finished, Uncached},
    recipe::Recipe,
    steps::{Stepping, Steps},
    uncached_encoder::UncachedEncoder,
};
use crate::{
    file_io::chunks::{FileRange, Fill as _},
    nar::Buffer,
};

/// A NAR whose compressed length is not known yet. Nothing is compressed before it is read or waited for.
pub struct GrowingNar {
    pub(super) cache: Arc<NarCache>,
    pub(super) nar: Arc<dyn Blob>,
    pub(super) recipe: Recipe,
    pub(super) tag: Arc<str>,
}

#[async_trait]
impl GrowingBlob for GrowingNar {
    fn etag(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.tag)
    }

    async fn finished(&self) -> Result<Option<Arc<dyn Blob>>, CacheError> {
        let finished = self.finish().await?;
        Ok(finished.map(|finished| Arc::new(finished) as Arc<dyn Blob>))
    }

    async fn stream(self: Box<Self>) -> Result<Option<Box<dyn Chunks>>, CacheError> {
        let mut reader = TailReader { growing: *self, from: Via::Start, offset: 0, first: None };
        match reader.next().await {
            Ok(first) => reader.first = first,
            Err(CacheError::Damaged { .. } | CacheError::Gone { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(Box::new(Stepping::start(reader))))
    }
}

/// Reads a compressed NAR that is being made. Dropping it leaves the compression alone for a while.
struct TailReader {
    growing: GrowingNar,
    from: Via,
    /// How much has been read.
    offset: u64,
    /// Read, and not handed out yet: a path that is gone is found out about before anything is sent.
    first: Option<Bytes>,
}

enum Via {
    Start,
    File(EncodeReader),
    /// Compressed for this reader, because the cache failed.
    UncachedEncoder(Box<UncachedEncoder>),
    Ended,
}

impl Steps for TailReader {
    async fn next(&mut self) -> Result<Option<Bytes>, CacheError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let chunk = self.read_on().await?;
        self.offset += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(chunk)
    }
}

impl TailReader {
    async fn read_on(&mut self) -> Result<Option<Bytes>, CacheError> {
        loop {
            match mem::replace(&mut self.from, Via::Ended) {
                Via::Ended => return Ok(None),
                Via::Start => self.from = self.growing.open(),
                Via::UncachedEncoder(mut encoder) => {
                    let chunk = encoder.next().await?;
                    self.from = Via::UncachedEncoder(encoder);
                    return Ok(chunk);
                }
                Via::File(mut reader) => {
                    let progress = reader.beyond(self.offset).await;
                    let (file, end) = match progress {
                        EncodeStage::GrowingNar { file, written } => (Some(file), written),
                        EncodeStage::Done(finished) => (finished.open_file(), finished.file().size),
                        EncodeStage::Failed(failure) => {
                            self.from = self.growing.go_on_alone(&failure, self.offset).await?;
                            continue;
                        }
                        EncodeStage::Waiting => continue,
                    };
                    if self.offset >= end {
                        return Ok(None);
                    }
                    let Some(file) = file else {
                        self.from =
                            self.growing.go_on_alone(&EncodeFailure::Cache, self.offset).await?;
                        continue;
                    };
                    let chunk = read(file, self.offset, end).await?;
                    self.from = Via::File(reader);
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

impl GrowingNar {
    /// Waits until everything is compressed; `None` when the path is gone or damaged.
    ///
    /// # Errors
    /// When the NAR cannot be read.
    pub async fn finish(&self) -> Result<Option<Finished>, CacheError> {
        encode_job::finish(&self.cache, &self.nar, self.recipe, &self.tag).await
    }

    fn open(&self) -> Via {
        Via::File(encode_job::join(&self.cache, &self.nar, self.recipe, &self.tag))
    }

    /// Every run makes the same bytes: those that were sent before are skipped.
    async fn go_on_alone(&self, failure: &EncodeFailure, offset: u64) -> Result<Via, CacheError> {
        if let Some(error) = failure.error() {
            return Err(error);
        }
        let limits = Arc::clone(self.cache.limits(self.recipe.codec));
        let source = Uncached { limits, nar: Arc::clone(&self.nar), recipe: self.recipe };
        match source.encoder(offset..u64::MAX).await? {
            Some(encoder) => Ok(Via::UncachedEncoder(Box::new(encoder))),
            None => Err(gone()),
        }
    }
}

/// Some bytes of a file that has them.
async fn read(file: Arc<OwnedFd>, offset: u64, end: u64) -> Result<Bytes, CacheError> {
    let mut range = FileRange::new(file, Path::new("a compressed NAR").into(), offset..end);
    let mut buffer = Buffer::take();
    // Written a moment ago, it is in memory.
    if buffer.fill_now(|room| range.fill_now(room)) > 0 {
        return Ok(buffer.into_bytes());
    }
    spawn_blocking(move || {
        buffer.fill_with(|room| range.fill(room))?;
        Ok(buffer.into_bytes())
    })
    .await
    .map_err(|_| CacheError::ShuttingDown)?
}
