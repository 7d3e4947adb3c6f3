//! Bodies that are sent past the framework's buffer.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rns_cache::Piece;

use super::{Aborted, Body, Download, Held, Large};
use crate::fast_path::Outbox;

/// Bytes in memory are not worth the way round when they are fewer: copying them costs less.
const FEW: usize = 16 << 10;

/// A body that puts its pieces into the outbox of the connection, and hands nothing to the framework.
pub(crate) struct Direct {
    source: Source,
    /// What is still to be put into the outbox: as long as the head has said.
    left: u64,
    outbox: Outbox,
}

enum Source {
    Held(Held),
    Large(Large),
    Download(Download),
}

impl Body {
    /// The same body, sent through the outbox, and its length; a body for which that is impossible, or of no use, as it is.
    pub(crate) fn through(self, outbox: &Outbox) -> (Self, Option<u64>) {
        let (source, length) = match self {
            Self::Held(held) if held.bytes.len() >= FEW => {
                let length = held.bytes.len() as u64;
                (Source::Held(held), length)
            }
            Self::Large(large) => {
                let length = large.bytes.len() as u64;
                (Source::Large(large), length)
            }
            Self::Stream(download) => match download.length {
                Some(length) if length > 0 => (Source::Download(download), length),
                _ => return (Self::Stream(download), None),
            },
            body => return (body, None),
        };
        let direct = Direct { source, left: length, outbox: outbox.clone() };
        (Self::Direct(Box::new(direct)), Some(length))
    }
}

impl Direct {
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Aborted>>> {
        // The connection wakes its task when the box is empty.
        if !self.outbox.is_empty() {
            return Poll::Pending;
        }
        let piece = match &mut self.source {
            Source::Held(held) => held.next().map(|bytes| Ok(Piece::Bytes(bytes))),
            Source::Large(large) => {
                let bytes = std::mem::take(&mut large.bytes);
                (!bytes.is_empty()).then(|| Ok(Piece::Bytes(bytes)))
            }
            Source::Download(download) => ready!(download.poll_piece(cx)),
        };
        match piece {
            Some(Ok(piece)) => match self.left.checked_sub(piece.left() as u64) {
                Some(left) => {
                    self.left = left;
                    self.outbox.put(piece);
                    Poll::Pending
                }
                None => Poll::Ready(Some(Err(wrong_length()))),
            },
            None if self.left > 0 => Poll::Ready(Some(Err(wrong_length()))),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => Poll::Ready(None),
        }
    }
}

/// The framework does not look at the length of what it does not see. The client sees a connection that broke.
fn wrong_length() -> Aborted {
    tracing::error!("a download was broken off: it has another length than its head has said");
    Aborted
}
