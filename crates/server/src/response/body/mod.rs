//! Bodies of answers.

mod direct;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use rns_cache::{CacheError, Chunks, Piece};

pub(crate) use self::direct::Direct;
use crate::{connection::limits::Throttled, metrics::Transfer, response::send_budget::Share};

/// What follows the headers.
pub(crate) enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes read for this answer, which count as a download until the client has taken them.
    Held(Held),
    /// Nothing, in answer to HEAD: the length that GET would have.
    Head(BodySize),
    /// Many bytes in memory, which count until the client has taken them.
    Large(Large),
    /// Chunks from the store.
    Stream(Download),
    /// One of these, which is sent past the framework.
    Direct(Box<Direct>),
    /// One of these, for a client that may not take everything at once.
    Throttled(Box<Throttled>),
}

/// A body that was read before it is sent.
pub(crate) struct Held {
    bytes: Bytes,
    transfer: Transfer,
    /// What it takes of the budget.
    _share: Share,
}

impl Held {
    pub(crate) const fn new(bytes: Bytes, transfer: Transfer, share: Share) -> Self {
        Self { bytes, transfer, _share: share }
    }

    fn next(&mut self) -> Option<Bytes> {
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
    _share: Share,
}

/// The framework copies what it is given; it gets so much at a time.
const SLICE: usize = 32 << 10;

impl Large {
    fn next(&mut self) -> Option<Bytes> {
        let length = self.bytes.len().min(SLICE);
        (length > 0).then(|| self.bytes.split_to(length))
    }
}

/// A body that is sent as it is read.
pub(crate) struct Download {
    chunks: Box<dyn Chunks>,
    /// The length, where it is known.
    length: Option<u64>,
    transfer: Transfer,
    /// What it takes of the budget.
    _share: Share,
}

impl Download {
    pub(crate) fn new(
        chunks: Box<dyn Chunks>,
        length: Option<u64>,
        transfer: Transfer,
        share: Share,
    ) -> Self {
        Self { chunks, length, transfer, _share: share }
    }
}

/// The transfer broke off after the head had been sent. The connection is closed, so that the client
/// sees that what it has is not all. The reason has been told to the operator.
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

impl Body {
    /// The body of an answer to HEAD where GET would send `length` bytes.
    pub(crate) const fn head(length: u64) -> Self {
        Self::Head(BodySize::Sized(length))
    }

    /// The body of an answer to HEAD where GET would send a stream of unknown length.
    pub(crate) const fn head_of_stream() -> Self {
        Self::Head(BodySize::Stream)
    }

    /// The length of bytes that are in memory and not counted elsewhere.
    pub(crate) fn uncounted(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Large(large) => large.bytes.len(),
            Self::Throttled(throttled) => throttled.uncounted(),
            Self::Held(_) | Self::Head(_) | Self::Stream(_) | Self::Direct(_) => 0,
        }
    }

    /// How long the body is.
    fn body_size(&self) -> BodySize {
        match self {
            Self::Bytes(bytes) => BodySize::Sized(bytes.len() as u64),
            Self::Held(held) => BodySize::Sized(held.bytes.len() as u64),
            Self::Large(large) => BodySize::Sized(large.bytes.len() as u64),
            Self::Head(size) => *size,
            Self::Stream(download) => download.length.map_or(BodySize::Stream, BodySize::Sized),
            // Length and end are seen to by whoever has made it so.
            Self::Direct(_) => BodySize::Stream,
            Self::Throttled(throttled) => throttled.size(),
        }
    }

    /// How many bytes are to be sent that need a share of the budget and have none.
    pub(crate) fn needs_share(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) if bytes.len() >= SLICE => Some(bytes.len() as u64),
            Self::Throttled(throttled) => throttled.body().needs_share(),
            _ => None,
        }
    }

    /// The same body with its share of the budget.
    pub(crate) fn with_share(self, share: Share) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Large(Large { bytes, _share: share }),
            Self::Throttled(throttled) => Self::Throttled(Box::new(throttled.with_share(share))),
            body => body,
        }
    }

    /// The same answer without its bytes.
    pub(crate) fn into_head(self) -> Self {
        Self::Head(self.body_size())
    }
}

impl MessageBody for Body {
    type Error = Aborted;

    fn size(&self) -> BodySize {
        self.body_size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Aborted>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Held(held) => Poll::Ready(held.next().map(Ok)),
            Self::Large(large) => Poll::Ready(large.next().map(Ok)),
            Self::Head(_) => Poll::Ready(None),
            Self::Stream(download) => download.poll_next(cx),
            Self::Direct(direct) => direct.poll_next(cx),
            Self::Throttled(throttled) => throttled.poll_next(cx),
        }
    }
}

impl Download {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        let chunk = self.chunks.poll_chunk(cx);
        chunk.map(|chunk| self.count(chunk, Bytes::len))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Aborted>>> {
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
