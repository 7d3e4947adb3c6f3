//! A NAR, or a range of it, as chunks for the event loop.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::read::RangeReader;
use crate::{
    StoreError,
    chunks::{Chunks, Fill, ReadAhead},
    daemon::HeldRoot,
};

/// The chunks of a NAR. Dropping them ends the work and releases the path.
pub struct NarStream {
    chunks: ReadAhead<Box<RangeReader>>,
    /// Keeps the path from being collected while it is sent.
    _root: HeldRoot,
}

impl NarStream {
    pub(crate) fn start(reader: RangeReader, root: HeldRoot) -> Self {
        Self { chunks: ReadAhead::start(Box::new(reader)), _root: root }
    }
}

impl Chunks for NarStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        self.chunks.poll_chunk(cx)
    }
}

impl Fill for Box<RangeReader> {
    fn fill(&mut self, room: &mut [u8]) -> Result<usize, StoreError> {
        RangeReader::fill(self, room)
    }

    fn is_at_end(&self) -> bool {
        RangeReader::is_at_end(self)
    }
}
