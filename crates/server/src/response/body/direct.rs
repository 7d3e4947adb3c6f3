//! Bodies that are sent past the framework's buffer.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rns_cache::Piece;

use super::download::{Aborted, BufferedBody, Download, Large};
use crate::fast_path::Outbox;

/// Fewer bytes in memory are copied instead: that costs less.
pub(super) const MIN_DIRECT_BYTES: usize = 16 << 10;

/// A body that puts its pieces into the outbox of the connection, and hands nothing to the framework.
pub(crate) struct Direct {
    source: DirectSource,
    /// Bytes still to be put into the outbox, of the length that the head has announced.
    left: u64,
    outbox: Outbox,
}

/// The body that is sent so.
pub(super) enum DirectSource {
    Held(BufferedBody),
    Large(Large),
    Download(Download),
}

impl Direct {
    pub(super) const fn new(source: DirectSource, length: u64, outbox: Outbox) -> Self {
        Self { source, left: length, outbox }
    }

    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Aborted>>> {
        // The connection wakes its task when the box is empty.
        if !self.outbox.is_empty() {
            return Poll::Pending;
        }
        let piece = match &mut self.source {
            DirectSource::Held(held) => held.next().map(|bytes| Ok(Piece::Bytes(bytes))),
            DirectSource::Large(large) => large.take().map(|bytes| Ok(Piece::Bytes(bytes))),
            DirectSource::Download(download) => ready!(download.poll_piece(cx)),
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

/// The framework does not check the length of a body that it does not see. The client sees a connection that broke.
fn wrong_length() -> Aborted {
    tracing::error!(
        "a download was broken off: the body has another length than its head announced"
    );
    Aborted
}
