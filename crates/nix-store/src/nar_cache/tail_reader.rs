//! A NAR that is not compressed yet, or is being compressed.

use std::{
    mem,
    os::fd::OwnedFd,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    Finished, Recipe,
    encode_progress::{Failure, Progress, Reader},
    uncached_encoder::UncachedEncoder,
};
use crate::{
    Chunks, LocalStore, Nar, StoreError,
    chunks::{FileRange, Fill as _, ReadAhead},
    nar::Buffer,
};

/// A NAR whose compressed length is not known yet. Nothing is compressed before it is read or waited for.
pub struct GrowingNar {
    pub(super) store: LocalStore,
    pub(super) nar: Nar,
    pub(super) recipe: Recipe,
    pub(super) tag: Arc<str>,
}

impl GrowingNar {
    /// The strong validator without quotes; the finished file will have the same one.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Waits until everything is compressed; `None` when the path is gone or damaged.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn finished(&self) -> Result<Option<Finished>, StoreError> {
        self.store.finish_compressing(&self.nar, self.recipe, &self.tag).await
    }

    /// The bytes from the first on, as they are made.
    #[must_use]
    pub fn stream(self) -> TailReader {
        TailReader::start(State { from: Via::Start, offset: 0, growing: self })
    }
}

/// The chunks of a compressed NAR that is being made. Dropping them leaves the compression alone for a while.
pub struct TailReader(Option<JoinHandle<Step>>);

type Step = (State, Option<Result<Bytes, StoreError>>);

struct State {
    growing: GrowingNar,
    from: Via,
    /// How much has been handed out.
    offset: u64,
}

enum Via {
    Start,
    File(Reader),
    /// Compressed for this reader, because the cache failed.
    UncachedEncoder(Box<ReadAhead<UncachedEncoder>>),
    Ended,
}

impl TailReader {
    fn start(state: State) -> Self {
        Self(Some(tokio::spawn(state.step())))
    }
}

impl Chunks for TailReader {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        let Some(task) = &mut self.0 else { return Poll::Ready(None) };
        let stepped = ready!(Pin::new(task).poll(cx));
        self.0 = None;
        let Ok((state, chunk)) = stepped else {
            return Poll::Ready(Some(Err(StoreError::Stopping)));
        };
        if matches!(chunk, Some(Ok(_))) {
            *self = Self::start(state);
        }
        Poll::Ready(chunk)
    }
}

impl Drop for TailReader {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl State {
    async fn step(mut self) -> Step {
        let chunk = self.next().await.transpose();
        if let Some(Ok(bytes)) = &chunk {
            self.offset += bytes.len() as u64;
        }
        (self, chunk)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            match mem::replace(&mut self.from, Via::Ended) {
                Via::Ended => return Ok(None),
                Via::Start => self.from = self.growing.open().await?,
                Via::UncachedEncoder(mut chunks) => {
                    let chunk = chunks.next_chunk().await.transpose()?;
                    self.from = Via::UncachedEncoder(chunks);
                    return Ok(chunk);
                }
                Via::File(mut reader) => {
                    let progress = reader.beyond(self.offset).await;
                    let (file, end) = match progress {
                        Progress::GrowingNar { file, written } => (Some(file), written),
                        Progress::Done(finished) => (finished.open_file(), finished.file().size),
                        Progress::Failed(failure) => {
                            self.from = self.growing.go_on_alone(&failure, self.offset).await?;
                            continue;
                        }
                        Progress::Waiting => continue,
                    };
                    if self.offset >= end {
                        return Ok(None);
                    }
                    let Some(file) = file else {
                        self.from = self.growing.go_on_alone(&Failure::Cache, self.offset).await?;
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
    async fn open(&self) -> Result<Via, StoreError> {
        let cache = self.store.nar_cache()?;
        Ok(Via::File(cache.join(&self.store, &self.nar, self.recipe, &self.tag)))
    }

    /// Every run makes the same bytes: what was sent before is skipped.
    async fn go_on_alone(&self, failure: &Failure, offset: u64) -> Result<Via, StoreError> {
        if let Some(error) = failure.error() {
            return Err(error);
        }
        match self.store.compress_alone(&self.nar, self.recipe, offset..u64::MAX).await? {
            Some(chunks) => Ok(Via::UncachedEncoder(Box::new(chunks))),
            None => Err(StoreError::Collected { path: self.nar.info.path.clone() }),
        }
    }
}

/// Some bytes of a file that has them.
async fn read(file: Arc<OwnedFd>, offset: u64, end: u64) -> Result<Bytes, StoreError> {
    spawn_blocking(move || {
        let mut range = FileRange::new(file, Path::new("a compressed NAR").into(), offset..end);
        let mut buffer = Buffer::take();
        buffer.fill_with(|room| range.fill(room))?;
        Ok(buffer.into_bytes())
    })
    .await
    .map_err(|_| StoreError::Stopping)?
}
