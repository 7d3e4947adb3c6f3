//! Bodies of answers.

mod direct;
mod download;
mod throttled;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use self::download::{Aborted, BufferedBody, Download};
use self::{
    direct::{Direct, DirectSource, MIN_DIRECT_BYTES},
    download::{Large, MAX_SLICE_BYTES},
    throttled::Throttled,
};
use crate::{connection::limits::Account, fast_path::Outbox, response::send_budget::SendShare};

/// The body of an answer.
pub(crate) enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes read for this answer, which count as a download until the client has taken them.
    Held(BufferedBody),
    /// Nothing, in answer to HEAD: the length that GET would have.
    Head(BodySize),
    /// Many bytes in memory, which count until the client has taken them.
    Large(Large),
    /// Chunks from the store.
    Stream(Download),
    /// Another one, which is sent past the framework.
    Direct(Box<Direct>),
    /// Another one, for a client that may not take everything at once.
    Throttled(Box<Throttled<Self>>),
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
            Self::Large(large) => large.len(),
            Self::Throttled(throttled) => throttled.body().uncounted(),
            Self::Held(_) | Self::Head(_) | Self::Stream(_) | Self::Direct(_) => 0,
        }
    }

    /// How long the body is.
    fn body_size(&self) -> BodySize {
        match self {
            Self::Bytes(bytes) => BodySize::Sized(bytes.len() as u64),
            Self::Held(held) => BodySize::Sized(held.len() as u64),
            Self::Large(large) => BodySize::Sized(large.len() as u64),
            Self::Head(size) => *size,
            Self::Stream(download) => download.len().map_or(BodySize::Stream, BodySize::Sized),
            // The connection sends the length, and checks the end.
            Self::Direct(_) => BodySize::Stream,
            Self::Throttled(throttled) => throttled.body().body_size(),
        }
    }

    /// How many bytes are to be sent that need a share of the budget and have none.
    pub(crate) fn needs_share(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) if bytes.len() >= MAX_SLICE_BYTES => Some(bytes.len() as u64),
            Self::Throttled(throttled) => throttled.body().needs_share(),
            _ => None,
        }
    }

    /// The same body with its share of the budget.
    pub(crate) fn with_share(self, share: SendShare) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Large(Large::new(bytes, share)),
            Self::Throttled(throttled) => {
                Self::Throttled(Box::new(throttled.map(|body| body.with_share(share))))
            }
            body => body,
        }
    }

    /// The same body for a client with these accounts, which may have other requests answered when it is sent.
    pub(crate) fn throttled(
        self,
        accounts: Vec<Arc<Account>>,
        permits: Vec<OwnedSemaphorePermit>,
    ) -> Self {
        Self::Throttled(Box::new(Throttled::new(self, accounts, permits)))
    }

    /// The same body, sent through the outbox, and its length; a body for which that is impossible, or of no use, as it is.
    pub(crate) fn through(self, outbox: &Outbox) -> (Self, Option<u64>) {
        let (source, length) = match self {
            Self::Held(held) if held.len() >= MIN_DIRECT_BYTES => {
                let length = held.len() as u64;
                (DirectSource::Held(held), length)
            }
            Self::Large(large) => {
                let length = large.len() as u64;
                (DirectSource::Large(large), length)
            }
            Self::Stream(download) => match download.len() {
                Some(length) if length > 0 => (DirectSource::Download(download), length),
                _ => return (Self::Stream(download), None),
            },
            body => return (body, None),
        };
        (Self::Direct(Box::new(Direct::new(source, length, outbox.clone()))), Some(length))
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
