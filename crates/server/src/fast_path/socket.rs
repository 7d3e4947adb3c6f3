//! What streams of TCP, unix sockets and TLS have in common.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll, ready},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::rt::net::{TcpStream, UnixStream};
use rns_nix_store::FilePart;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, Interest};

/// A stream of the runtime.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The address at the other end; a unix socket has none.
    fn peer(&self) -> Option<SocketAddr>;

    /// What the bytes go over in the end.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Makes the kernel keep back packets that are not full, or no longer do so.
    fn cork(&self, is_corked: bool);

    /// Sends as much of the part of a file as the kernel takes.
    ///
    /// # Errors
    /// Those of the kernel, and `Unsupported` where bytes are encrypted first.
    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>>;
}

impl Socket for TcpStream {
    fn peer(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn cork(&self, is_corked: bool) {
        // Failure costs some packets.
        _ = sockopt::set_tcp_cork(self, is_corked);
    }

    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || part.send_to(self));
            if !is_to_be_repeated(&sent) {
                return Poll::Ready(sent);
            }
        }
    }
}

impl Socket for UnixStream {
    fn peer(&self) -> Option<SocketAddr> {
        None
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn cork(&self, _: bool) {}

    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || part.send_to(self));
            if !is_to_be_repeated(&sent) {
                return Poll::Ready(sent);
            }
        }
    }
}

impl Socket for TlsStream<TcpStream> {
    fn peer(&self) -> Option<SocketAddr> {
        self.get_ref().0.peer()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.get_ref().0.as_fd()
    }

    fn cork(&self, _: bool) {}

    fn poll_send(&self, _: &mut Context<'_>, _: &mut FilePart) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// Whether nothing happened, and the runtime knows by now whether there is any use in trying again.
fn is_to_be_repeated(sent: &io::Result<usize>) -> bool {
    use io::ErrorKind::{Interrupted, WouldBlock};
    sent.as_ref().is_err_and(|error| matches!(error.kind(), Interrupted | WouldBlock))
}
