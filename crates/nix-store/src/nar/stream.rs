//! A NAR, or a range of it, as chunks for the event loop.

use std::{
    ops::Range,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{Nar, read::RangeReader};
use crate::{
    CacheError, Chunks,
    daemon::HeldRoot,
    file_io::chunks::{Fill, ReadAhead},
};

/// Opens readers of NARs.
pub(crate) trait OpenReader: Send + Sync {
    /// A reader of a range of a NAR; it checks the hash when all of it is read and that is asked for.
    fn reader(&self, nar: &Nar, range: &Range<u64>) -> Result<RangeReader, CacheError>;

    /// The same for a thread that must not wait. `None` when it would have to, when a hash is to be computed, and when
    /// something is wrong.
    fn reader_now(&self, nar: &Nar, range: &Range<u64>) -> Option<RangeReader>;
}

/// The chunks of a NAR. Dropping them ends the work and releases the path.
pub(crate) struct NarStream {
    chunks: ReadAhead<Opening>,
    /// Keeps the path from being collected while it is sent.
    _root: HeldRoot,
}

impl NarStream {
    /// The chunks of a range, the first of which has been read: a path that is gone is found out about before
    /// anything is sent.
    pub(crate) async fn begin(
        shared: Arc<dyn OpenReader>,
        nar: Nar,
        range: Range<u64>,
        root: HeldRoot,
    ) -> Result<Self, CacheError> {
        let mut chunks = ReadAhead::start(Opening::Asked { shared, nar, range });
        chunks.begin().await?;
        Ok(Self { chunks, _root: root })
    }
}

impl Chunks for NarStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        self.chunks.poll_chunk(cx)
    }
}

/// A reader that is opened where its first chunk is read, so that one step does both.
enum Opening {
    Asked { shared: Arc<dyn OpenReader>, nar: Nar, range: Range<u64> },
    Open(Box<RangeReader>),
}

impl Fill for Opening {
    fn fill(&mut self, room: &mut [u8]) -> Result<usize, CacheError> {
        if let Self::Asked { shared, nar, range } = self {
            *self = Self::Open(Box::new(shared.reader(nar, range)?));
        }
        match self {
            Self::Open(reader) => reader.fill(room),
            Self::Asked { .. } => Ok(0),
        }
    }

    fn fill_now(&mut self, room: &mut [u8]) -> usize {
        if let Self::Asked { shared, nar, range } = self
            && let Some(reader) = shared.reader_now(nar, range)
        {
            *self = Self::Open(Box::new(reader));
        }
        match self {
            Self::Open(reader) => reader.fill_now(room),
            Self::Asked { .. } => 0,
        }
    }

    fn is_at_end(&self) -> bool {
        match self {
            Self::Asked { range, .. } => range.is_empty(),
            Self::Open(reader) => reader.is_at_end(),
        }
    }
}
