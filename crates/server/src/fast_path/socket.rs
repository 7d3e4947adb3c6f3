//! What streams of TCP and unix sockets have in common.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsFd,
    task::{Context, Poll, ready},
};

use actix_web::rt::net::{TcpStream, UnixStream};
use rns_nix_store::FilePart;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, Interest};

/// A stream socket of the runtime.
pub(crate) trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin + 'static {
    /// The address at the other end; a unix socket has none.
    fn peer(&self) -> Option<SocketAddr>;

    /// Makes the kernel keep back packets that are not full, or no longer do so.
    fn cork(&self, is_corked: bool);

    /// Whether the kernel takes bytes, as far as the runtime knows.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Does something that fails with `WouldBlock` when the kernel takes no bytes; the runtime knows then.
    fn try_write(&self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize>;

    /// Sends as much of the part of a file as the kernel takes.
    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_writable(cx))?;
            let sent = self.try_write(|| part.send_to(self));
            if !is_to_be_repeated(&sent) {
                return Poll::Ready(sent);
            }
        }
    }
}

impl Socket for TcpStream {
    fn peer(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }

    fn cork(&self, is_corked: bool) {
        // Failure costs some packets.
        _ = sockopt::set_tcp_cork(self, is_corked);
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }

    fn try_write(&self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, write)
    }
}

impl Socket for UnixStream {
    fn peer(&self) -> Option<SocketAddr> {
        None
    }

    fn cork(&self, _: bool) {}

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }

    fn try_write(&self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, write)
    }
}

/// Whether nothing happened, and the runtime knows by now whether there is any use in trying again.
fn is_to_be_repeated(sent: &io::Result<usize>) -> bool {
    use io::ErrorKind::{Interrupted, WouldBlock};
    sent.as_ref().is_err_and(|error| matches!(error.kind(), Interrupted | WouldBlock))
}
