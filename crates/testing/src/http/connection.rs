//! One connection, used for one request after another.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::{
    Body, Head, Request, Response,
    body::{is_timeout, read_line},
};

/// How long the server may be silent before a test fails.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// An open connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<Stream>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Connects over TCP.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        Self { stream: BufReader::new(Stream::Tcp(stream)) }
    }

    /// Connects over a unix socket.
    #[must_use]
    pub fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", path.display()));
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        Self { stream: BufReader::new(Stream::Unix(stream)) }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When the connection ends before the head of an answer is there.
    pub fn send(&mut self, request: &Request) -> Response {
        self.send_raw(&request.to_bytes());
        self.read_response_to(request).unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    /// Sends a request and reads the head of the answer; the body is left to [`read_body`](Self::read_body).
    ///
    /// # Panics
    /// When the connection ends before the head of an answer is there.
    pub fn start(&mut self, request: &Request) -> (Head, Body) {
        self.send_raw(&request.to_bytes());
        let head = self.read_head().unwrap_or_else(|| panic!("no answer to {request:?}"));
        let body = Body::of(&head, request.is_head());
        (head, body)
    }

    /// Reads some more of a body; 0 when it has ended one way or the other.
    pub fn read_body(&mut self, body: &mut Body, buffer: &mut [u8]) -> usize {
        body.read(&mut self.stream, buffer)
    }

    /// Sends bytes as they are. A server that no longer listens is not an error here.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        _ = self.stream.get_mut().write_all(bytes);
    }

    /// Reads the head of an answer; `None` when the connection ends instead.
    ///
    /// # Panics
    /// When nothing at all happens for a minute.
    pub fn read_head(&mut self) -> Option<Head> {
        let mut lines = Vec::new();
        loop {
            match read_line(&mut self.stream) {
                Ok(line) if line.is_empty() => return Some(Head::parse(&lines.join("\r\n"))),
                Ok(line) => lines.push(line),
                Err(error) if is_timeout(&error) => {
                    panic!("no answer and no end of the connection")
                }
                Err(_) => return None,
            }
        }
    }

    /// Reads the head of an answer to something other than `HEAD`, and its whole body.
    pub fn read_response(&mut self) -> Option<Response> {
        self.read_whole(false)
    }

    /// Reads the whole answer to a request that was sent before.
    pub fn read_response_to(&mut self, request: &Request) -> Option<Response> {
        self.read_whole(request.is_head())
    }

    fn read_whole(&mut self, to_head: bool) -> Option<Response> {
        let head = self.read_head()?;
        let mut body = Body::of(&head, to_head);
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.read_body(&mut body, &mut buffer) {
                0 => break,
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        }
        Some(Response { head, body: bytes, complete: body.ended() == Some(true) })
    }

    /// Whether the server has closed the connection by the end of `within`; discards bytes that arrive before.
    pub fn is_closed_within(&mut self, within: Duration) -> bool {
        let deadline = std::time::Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                self.stream.get_ref().set_read_timeout(READ_TIMEOUT);
                return false;
            }
            self.stream.get_ref().set_read_timeout(left);
            match self.stream.fill_buf() {
                Ok([]) => return true,
                Ok(bytes) => {
                    let len = bytes.len();
                    self.stream.consume(len);
                }
                Err(error) if is_timeout(&error) => {}
                Err(_) => return true,
            }
        }
    }

    /// Whether anything arrives, or the connection ends, within this time. Nothing is taken.
    pub fn is_readable_within(&mut self, within: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(within);
        let arrived = self.stream.fill_buf().is_ok();
        self.stream.get_ref().set_read_timeout(READ_TIMEOUT);
        arrived
    }

    /// Says that nothing more will be sent, as a client that half-closes.
    pub fn end_sending(&self) {
        _ = match self.stream.get_ref() {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }
}

impl Stream {
    fn set_read_timeout(&self, timeout: Duration) {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
        .unwrap();
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
