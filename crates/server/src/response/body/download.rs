//! The sources of bodies that take memory: bytes that were read, and chunks from a cache.

use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use rns_cache::{CacheError, Chunks, Piece};

use crate::{metrics::Transfer, response::send_budget::SendShare};

/// A body that was read before it is sent.
pub(crate) struct BufferedBody {
    bytes: Bytes,
    transfer: Transfer,
    /// Its share of the budget.
    _share: SendShare,
}

impl BufferedBody {
    pub(crate) const fn new(bytes: Bytes, transfer: Transfer, share: SendShare) -> Self {
        Self { bytes, transfer, _share: share }
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn next(&mut self) -> Option<Bytes> {
        if self.bytes.is_empty() {
            self.transfer.complete();
            return None;
        }
        self.transfer.sent(self.bytes.len());
        Some(std::mem::take(&mut self.bytes))
    }
}

/// Bytes in memory that are too many to be sent without a share of the budget.
pub(crate) struct Large {
    bytes: Bytes,
    _share: SendShare,
}

/// The framework copies its bytes; it gets at most so many at a time.
pub(super) const MAX_SLICE_BYTES: usize = 32 << 10;

impl Large {
    pub(super) const fn new(bytes: Bytes, share: SendShare) -> Self {
        Self { bytes, _share: share }
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn next(&mut self) -> Option<Bytes> {
        let length = self.bytes.len().min(MAX_SLICE_BYTES);
        (length > 0).then(|| self.bytes.split_to(length))
    }

    /// All bytes that are left.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// A body that is sent as it is read.
pub(crate) struct Download {
    chunks: Box<dyn Chunks>,
    /// The length, where it is known.
    length: Option<u64>,
    transfer: Transfer,
    /// Its share of the budget.
    _share: SendShare,
}

impl Download {
    pub(crate) fn new(
        chunks: Box<dyn Chunks>,
        length: Option<u64>,
        transfer: Transfer,
        share: SendShare,
    ) -> Self {
        Self { chunks, length, transfer, _share: share }
    }

    /// The length, where it is known.
    pub(super) const fn len(&self) -> Option<u64> {
        self.length
    }

    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Aborted>>> {
        let chunk = self.chunks.poll_chunk(cx);
        chunk.map(|chunk| self.count(chunk, Bytes::len))
    }

    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, Aborted>>> {
        let piece = self.chunks.poll_piece(cx);
        piece.map(|piece| self.count(piece, Piece::left))
    }

    fn count<T>(
        &mut self,
        next: Option<Result<T, CacheError>>,
        len: impl FnOnce(&T) -> usize,
    ) -> Option<Result<T, Aborted>> {
        match next {
            Some(Ok(next)) => {
                self.transfer.sent(len(&next));
                Some(Ok(next))
            }
            Some(Err(error)) => {
                self.transfer.abort(&error);
                Some(Err(Aborted))
            }
            None => {
                self.transfer.complete();
                None
            }
        }
    }
}

/// The transfer broke off after the head had been sent. The connection is closed, so that the client
/// sees that the body is not whole. The reason has been told to the operator.
#[derive(Debug)]
pub(crate) struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transfer broke off")
    }
}

impl std::error::Error for Aborted {}

impl From<Infallible> for Aborted {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
