//! The trait that streams of TCP, unix sockets and TLS have in common.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};

use actix_web::rt::net::{TcpStream, UnixStream};
use rns_cache::FilePart;
use rustix::{
    fs::sendfile,
    io::Errno,
    net::{SendFlags, send, sockopt},
};
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio_rustls::server::TlsStream;

/// A stream of the runtime.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The same stream once more, for another thread.
    ///
    /// # Errors
    /// Those of the kernel, and `Unsupported` where the state of the stream is not all in the kernel.
    fn duplicate(&self) -> io::Result<OwnedFd>;

    /// The address at the other end; a unix socket has none.
    fn peer(&self) -> Option<SocketAddr>;

    /// Makes the kernel keep back packets that are not full, or no longer do so.
    fn cork(&self, is_corked: bool);

    /// Writes bytes that have others behind them: a packet that is not full waits for these.
    ///
    /// # Errors
    /// Those of the kernel.
    fn poll_write_before(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Sends as much of the part of a file as the kernel takes.
    ///
    /// # Errors
    /// Those of the kernel, and `Unsupported` where bytes are encrypted first.
    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>>;
}

/// A stream that a thread can take over.
pub(crate) trait PlainSocket: Socket + Sized {
    /// The stream on this thread.
    ///
    /// # Errors
    /// Those of the kernel.
    fn attach(stream: OwnedFd) -> io::Result<Self>;
}

impl PlainSocket for TcpStream {
    fn attach(stream: OwnedFd) -> io::Result<Self> {
        Self::from_std(stream.into())
    }
}

impl PlainSocket for UnixStream {
    fn attach(stream: OwnedFd) -> io::Result<Self> {
        Self::from_std(stream.into())
    }
}

impl Socket for TcpStream {
    fn duplicate(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }

    fn cork(&self, is_corked: bool) {
        // Failure costs some packets.
        _ = sockopt::set_tcp_cork(self, is_corked);
    }

    fn poll_write_before(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || Ok(send(&*self, bytes, flags)?));
            if !is_to_be_repeated(&sent) {
                return Poll::Ready(sent);
            }
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || send_part(self, part));
            if !is_to_be_repeated(&sent) {
                return Poll::Ready(sent);
            }
        }
    }
}

impl Socket for UnixStream {
    fn duplicate(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    fn peer(&self) -> Option<SocketAddr> {
        None
    }

    fn cork(&self, _: bool) {}

    fn poll_write_before(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, bytes)
    }

    fn poll_send(&self, cx: &mut Context<'_>, part: &mut FilePart) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || send_part(self, part));
            if !is_to_be_repeated(&sent) {
                return Poll::Ready(sent);
            }
        }
    }
}

impl<S: Socket> Socket for TlsStream<S> {
    fn duplicate(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.get_ref().0.peer()
    }

    fn cork(&self, _: bool) {}

    fn poll_write_before(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, bytes)
    }

    fn poll_send(&self, _: &mut Context<'_>, _: &mut FilePart) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// Whether nothing happened, and the runtime knows by now whether there is any use in trying again.
fn is_to_be_repeated(sent: &io::Result<usize>) -> bool {
    use io::ErrorKind::{Interrupted, WouldBlock};
    sent.as_ref().is_err_and(|error| matches!(error.kind(), Interrupted | WouldBlock))
}

/// Set when the kernel, or a filter of system calls, has refused to send files.
static IS_SENDFILE_REFUSED: AtomicBool = AtomicBool::new(false);

/// Where files cannot be sent, so much of one is read at a time.
const MAX_READ_BYTES: usize = 64 << 10;

/// Sends as much of a part as the socket takes, and says how much that was; 0 means that the file became shorter.
fn send_part(socket: impl AsFd, part: &mut FilePart) -> io::Result<usize> {
    let sent = if IS_SENDFILE_REFUSED.load(Ordering::Relaxed) {
        read_and_write(socket, part)
    } else {
        let mut offset = part.offset;
        match sendfile(&socket, &part.file, Some(&mut offset), part.len) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                IS_SENDFILE_REFUSED.store(true, Ordering::Relaxed);
                read_and_write(socket, part)
            }
            sent => sent,
        }
    }?;
    part.offset += sent as u64;
    part.len = part.len.saturating_sub(sent);
    Ok(sent)
}

fn read_and_write(socket: impl AsFd, part: &FilePart) -> Result<usize, Errno> {
    let mut bytes = vec![0; part.len.min(MAX_READ_BYTES)];
    let read = rustix::io::pread(&part.file, &mut bytes, part.offset)?;
    rustix::io::write(socket, bytes.get(..read).unwrap_or_default())
}
