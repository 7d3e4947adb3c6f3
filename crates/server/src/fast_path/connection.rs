//! The stream that the framework reads from and writes to.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use rns_cache::Piece;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    handover::{FrameworkTurn, Handover, Reply, Responder},
    outbox::Outbox,
    socket::Socket,
};
use crate::{metrics::Transfer, response::send_budget::Share};

thread_local! {
    /// Where heads are put together.
    static HEAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection with its outbox.
///
/// The framework writes all it has and then flushes, so what lies in the outbox is sent together with the last bytes that
/// were written, or by the flush.
pub(crate) struct DirectConnection<S> {
    socket: S,
    outbox: Outbox,
    handover: Handover,
    /// What is left of an answer that the framework knows nothing of.
    rest: Bytes,
    download: Option<(Transfer, Share)>,
    /// Whether a body waits to be told that its piece has left.
    has_left: bool,
    is_corked: bool,
}

impl<S: Socket> DirectConnection<S> {
    pub(crate) fn new(socket: S, responder: Option<Rc<dyn Responder>>) -> Self {
        Self {
            socket,
            outbox: Outbox::default(),
            handover: Handover::new(responder),
            rest: Bytes::new(),
            download: None,
            has_left: false,
            is_corked: false,
        }
    }

    pub(crate) const fn turn(&self) -> &FrameworkTurn {
        self.handover.turn()
    }

    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Sends an answer that the framework knows nothing of. What the kernel does not take is sent before anything else.
    fn answer(&mut self, cx: &mut Context<'_>, head: &[u8], reply: Reply) -> io::Result<()> {
        if let Some(body) = reply.body {
            self.outbox.put(body);
        }
        self.download = reply.download;
        let sent = match self.poll_write_with_outbox(cx, head) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.rest = Bytes::copy_from_slice(head.get(sent..).unwrap_or_default());
        Ok(())
    }

    /// Sends what is left of such an answer. Does nothing while the framework has the connection.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.rest.advance(sent),
            }
        }
        if self.handover.is_open() {
            ready!(self.poll_piece(cx))?;
            if let Some((mut transfer, _)) = self.download.take() {
                transfer.complete();
            }
            self.has_left = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is written, and what it can of what lies in the outbox.
    fn poll_write_with_outbox(
        &mut self,
        cx: &mut Context<'_>,
        written: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.outbox.take() {
            None => Pin::new(&mut self.socket).poll_write(cx, written),
            Some(Piece::Bytes(bytes)) => self.poll_write_both(cx, written, bytes),
            Some(file) => {
                self.cork(true);
                self.outbox.put(file);
                Pin::new(&mut self.socket).poll_write(cx, written)
            }
        }
    }

    /// Sends what was written, and what it can of the bytes behind it.
    fn poll_write_both(
        &mut self,
        cx: &mut Context<'_>,
        written: &[u8],
        mut behind: Bytes,
    ) -> Poll<io::Result<usize>> {
        let both = [IoSlice::new(written), IoSlice::new(&behind)];
        let sent = Pin::new(&mut self.socket).poll_write_vectored(cx, &both);
        if let Poll::Ready(Ok(sent)) = &sent {
            behind.advance(sent.saturating_sub(written.len()));
        }
        self.keep(Piece::Bytes(behind));
        sent.map_ok(|sent| sent.min(written.len()))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut piece) = self.outbox.take() {
            let sent = match &mut piece {
                Piece::Bytes(bytes) => {
                    let sent = Pin::new(&mut self.socket).poll_write(cx, bytes);
                    if let Poll::Ready(Ok(sent)) = &sent {
                        bytes.advance(*sent);
                    }
                    sent
                }
                Piece::File(part) => {
                    self.cork(true);
                    self.socket.poll_send(cx, part)
                }
            };
            let is_file = matches!(piece, Piece::File(_));
            self.keep(piece);
            if ready!(sent)? == 0 {
                if is_file {
                    // The client sees a connection that broke before the end.
                    tracing::warn!(
                        "a download was broken off: a file became shorter while it was sent"
                    );
                }
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What is left of a piece stays in the outbox.
    fn keep(&mut self, piece: Piece) {
        if piece.left() > 0 {
            self.outbox.put(piece);
            return;
        }
        self.has_left = true;
        if let Piece::File(part) = piece
            && part.is_last
        {
            self.cork(false);
        }
    }

    /// What is written in pieces that do not fill packets goes into packets that are full.
    fn cork(&mut self, is_corked: bool) {
        if self.is_corked != is_corked {
            self.is_corked = is_corked;
            self.socket.cork(is_corked);
        }
    }
}

impl<S: Socket> AsyncRead for DirectConnection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            // A client that does not take its answers is not read from either.
            ready!(this.poll_rest(cx))?;
            let before = room.filled().len();
            ready!(Pin::new(&mut this.socket).poll_read(cx, room))?;
            let read = room.filled().get(before..).unwrap_or_default();
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let answered = HEAD.with_borrow_mut(|head| {
                head.clear();
                let reply = this.handover.take(read, head)?;
                Some(this.answer(cx, head, reply))
            });
            match answered {
                None => return Poll::Ready(Ok(())),
                Some(sent) => sent?,
            }
            room.set_filled(before);
        }
    }
}

impl<S: Socket> AsyncWrite for DirectConnection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        written: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        self.poll_write_with_outbox(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        ready!(self.poll_piece(cx))?;
        self.handover.flushed();
        if std::mem::take(&mut self.has_left) {
            cx.waker().wake_by_ref();
        } else {
            // Nothing more will come, or not soon.
            self.cork(false);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
