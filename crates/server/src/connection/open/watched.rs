//! A socket whose reads and writes are noted.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::OwnedFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use rns_cache::FilePart;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Roster,
    roster::{LongHead, MAX_USUAL_HEAD_BYTES},
};
use crate::{connection::info::ConnectionInfo, fast_path::Socket};

/// A socket whose reads and writes are noted.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    socket: S,
    of: Rc<ConnectionInfo>,
    roster: Roster,
    long_head: Option<LongHead>,
}

impl<S> Watched<S> {
    pub(crate) const fn new(socket: S, of: Rc<ConnectionInfo>, roster: Roster) -> Self {
        Self { socket, of, roster, long_head: None }
    }

    pub(crate) const fn of(&self) -> &Rc<ConnectionInfo> {
        &self.of
    }

    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(_) => self.of.activity.taken(),
            Poll::Pending => self.of.activity.blocked(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = room.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, room);
        let bytes = room.filled().len() - before;
        if bytes > 0
            && this.of.activity.read(bytes) > MAX_USUAL_HEAD_BYTES
            && this.long_head.is_none()
        {
            this.long_head = this.roster.long_head();
            if this.long_head.is_none() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: Socket> Socket for Watched<S> {
    fn duplicate(&self) -> io::Result<OwnedFd> {
        self.socket.duplicate()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer()
    }

    fn cork(&self, is_corked: bool) {
        self.socket.cork(is_corked);
    }

    fn poll_write_before(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.socket.poll_write_before(cx, bytes);
        self.note(&written);
        written
    }

    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>> {
        let sent = self.socket.poll_send(cx, part);
        self.note(&sent);
        sent
    }
}
