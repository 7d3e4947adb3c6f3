//! The stream that the framework reads from and writes to.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    os::fd::OwnedFd,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use rns_cache::Piece;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    outbox::Outbox,
    request_gate::{FastAnswer, Passage, RequestGate, Responder, ThreadKind},
    socket::Socket,
    turn::FrameworkTurn,
};
use crate::{connection::open::Activity, metrics::Transfer, response::send_budget::SendShare};

/// Bytes that are read from a client at a time.
const MAX_READ: usize = 16 << 10;

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Buffers that all connections of a thread use in turn.
struct Buffers {
    /// Where bytes from clients are read to.
    read: Box<[u8]>,
    /// Where heads are put together.
    head: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { read: vec![0; MAX_READ].into(), head: Vec::new() }
    }
}

/// A stream between two threads.
#[derive(Debug)]
pub(crate) struct OpenStream {
    /// The stream.
    pub(crate) stream: OwnedFd,
    /// Bytes that were read from it, and belong to no request before.
    pub(crate) unread: BytesMut,
}

/// Where a connection leaves its stream for a thread of the other kind. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handover(Rc<RefCell<Option<OpenStream>>>);

impl Handover {
    /// The stream, if it was left here.
    pub(crate) fn take(&self) -> Option<OpenStream> {
        self.0.take()
    }

    fn is_empty(&self) -> bool {
        self.0.borrow().is_none()
    }
}

/// A connection with its outbox.
///
/// The framework writes all it has and then flushes, so the outbox is sent together with the last bytes that
/// were written, or by the flush.
pub(crate) struct DirectConnection<S> {
    socket: S,
    outbox: Outbox,
    gate: RequestGate,
    activity: Arc<Activity>,
    /// The rest of an answer that the framework knows nothing of.
    rest: Bytes,
    download: Option<(Transfer, SendShare)>,
    /// Whether a body waits to be told that its piece has left.
    has_left: bool,
    /// Whether the socket may hold back bytes of an answer that the framework knows nothing of.
    is_unflushed: bool,
    is_corked: bool,
    handover: Option<Handover>,
}

impl<S: Socket> DirectConnection<S> {
    /// A connection that speaks HTTP/1. Events that the framework does not see are noted in `activity`.
    pub(crate) fn new(
        socket: S,
        responder: Option<Rc<dyn Responder>>,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            socket,
            outbox: Outbox::default(),
            gate: RequestGate::new(responder),
            activity,
            rest: Bytes::new(),
            download: None,
            has_left: false,
            is_unflushed: false,
            is_corked: false,
            handover: None,
        }
    }

    /// The same behind bytes that were read before. With the kind of this thread, requests for the other kind are left in
    /// `handover`, with the stream.
    pub(crate) fn behind(
        mut self,
        unread: BytesMut,
        thread: Option<ThreadKind>,
        handover: Handover,
    ) -> Self {
        self.gate = self.gate.behind(unread, thread);
        self.handover = Some(handover);
        self
    }

    pub(crate) const fn turn(&self) -> &FrameworkTurn {
        self.gate.turn()
    }

    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Reads from the client as far as there is room. Notes the end.
    fn poll_client(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
        buffers: &mut Buffers,
    ) -> Poll<io::Result<Passage>> {
        let most = self.gate.room().min(buffers.read.len());
        let Some(target) = buffers.read.get_mut(..most).filter(|_| most > 0) else {
            // The end of an answer wakes this task.
            return Poll::Pending;
        };
        let mut read = ReadBuf::new(target);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
        let read = read.filled();
        if read.is_empty() {
            self.gate.end();
            return Poll::Ready(Ok(Passage::Waiting));
        }
        Poll::Ready(Ok(self.gate.take(read, room, &mut buffers.head)))
    }

    /// Hands over bytes of the one request that the framework has or will have. Requests before that are answered here.
    fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
        buffers: &mut Buffers,
    ) -> Poll<io::Result<()>> {
        loop {
            // A client that does not take its answers is not read from either.
            ready!(self.poll_rest(cx))?;
            buffers.head.clear();
            let mut passage = self.gate.resume(room, &mut buffers.head);
            if matches!(passage, Passage::Waiting) {
                if self.gate.is_at_end() {
                    return Poll::Ready(Ok(()));
                }
                self.activity.head_waits(self.gate.partial_head());
                passage = ready!(self.poll_client(cx, room, buffers))?;
            }
            match passage {
                Passage::HandedOver => return Poll::Ready(Ok(())),
                Passage::Answered(answer) => self.answer(cx, &buffers.head, answer)?,
                Passage::Waiting => {}
                Passage::ForOtherThread => self.leave(),
            }
        }
    }

    /// Leaves the stream for another thread. This one sees a client that sends nothing more.
    fn leave(&mut self) {
        match (&self.handover, self.socket.duplicate()) {
            (Some(handover), Ok(stream)) => {
                let unread = self.gate.leave();
                *handover.0.borrow_mut() = Some(OpenStream { stream, unread });
            }
            // A client sends again, on another connection. This thread is for nothing else.
            _ if self.gate.is_on(ThreadKind::UploadWorker) => _ = self.gate.leave(),
            _ => self.gate.stay(),
        }
    }

    /// Sends an answer that the framework knows nothing of. Bytes that the kernel does not take are sent before anything else.
    fn answer(&mut self, cx: &mut Context<'_>, head: &[u8], answer: FastAnswer) -> io::Result<()> {
        if let Some(body) = answer.body {
            self.outbox.put(body);
        }
        self.activity.request_begins();
        self.download = answer.download;
        self.is_unflushed = true;
        let sent = match self.poll_write_with_outbox(cx, head) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.rest = Bytes::copy_from_slice(head.get(sent..).unwrap_or_default());
        Ok(())
    }

    /// Sends the rest of such an answer. Does nothing while the framework has the connection. The flush behind an answer of the
    /// framework has taken the cork away; the file of such an answer is one part.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.rest.advance(sent),
            }
        }
        if self.is_unflushed {
            ready!(self.poll_piece(cx))?;
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            if let Some((mut transfer, _)) = self.download.take() {
                transfer.complete();
            }
            self.has_left = false;
            self.is_unflushed = false;
            self.activity.request_ends();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the written bytes, and as much of the outbox as it can.
    fn poll_write_with_outbox(
        &mut self,
        cx: &mut Context<'_>,
        written: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.outbox.take() {
            None => Pin::new(&mut self.socket).poll_write(cx, written),
            Some(Piece::Bytes(bytes)) => self.poll_write_both(cx, written, bytes),
            Some(file) => {
                self.outbox.put(file);
                self.socket.poll_write_before(cx, written)
            }
        }
    }

    /// Sends the written bytes, and as many of the bytes behind them as it can.
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
                    // The kernel fills the packets of one part, and sends the end of that at once.
                    if !part.is_last {
                        self.cork(true);
                    }
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

    /// The rest of a piece stays in the outbox.
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

    /// Small pieces are gathered into full packets.
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
        if this.gate.is_open() {
            return Pin::new(&mut this.socket).poll_read(cx, room);
        }
        BUFFERS.with_borrow_mut(|buffers| this.poll_request(cx, room, buffers))
    }
}

impl<S: Socket> AsyncWrite for DirectConnection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        written: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        self.gate.written(written);
        self.poll_write_with_outbox(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        ready!(self.poll_piece(cx))?;
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        let (has_left, goes_on) = (std::mem::take(&mut self.has_left), self.gate.flushed());
        if has_left || goes_on {
            cx.waker().wake_by_ref();
        }
        if !has_left {
            // Nothing more will come, or not soon.
            self.cork(false);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handover.as_ref().is_some_and(|handover| !handover.is_empty()) {
            // It goes on elsewhere.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
