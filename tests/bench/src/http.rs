//! An HTTP/1.1 client that does next to nothing: the kernel throws bodies away without copying them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt::RcvBuf};

/// One connection, kept alive.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of `buffer` has arrived, and how much of that was looked at.
    filled: usize,
    taken: usize,
}

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// `None`: in chunks.
    length: Option<u64>,
}

/// The bytes of `GET target`, perhaps of a range.
pub(crate) fn request(target: &str, range: Option<(u64, u64)>) -> Vec<u8> {
    let range =
        range.map_or_else(String::new, |(first, last)| format!("Range: bytes={first}-{last}\r\n"));
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{range}\r\n").into_bytes()
}

/// The head of `PUT target` with this body.
pub(crate) fn upload(target: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
        .into_bytes()
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        // The window of a new connection is smaller than one segment of loopback, for which nginx would wait.
        setsockopt(&stream, RcvBuf, &(4 << 20))?;
        Ok(Self { stream, buffer: vec![0; 1 << 18], filled: 0, taken: 0 })
    }

    /// Sends a request and discards the body of its answer; returns status and length of the body.
    pub(crate) fn discard(&mut self, request: &[u8]) -> Result<(u16, u64)> {
        self.stream.write_all(request)?;
        let head = self.head()?;
        let Some(length) = head.length else {
            let mut length = 0;
            self.chunks(|bytes| length += bytes.len() as u64)?;
            return Ok((head.status, length));
        };
        let here = ((self.filled - self.taken) as u64).min(length);
        self.taken += here as usize;
        let mut left = length - here;
        while left > 0 {
            // TCP's meaning of MSG_TRUNC: nothing is written to the buffer.
            let most = left.min(self.buffer.len() as u64) as usize;
            let buffer = &mut self.buffer[..most];
            let received = recv(self.stream.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC)?;
            ensure!(received > 0, "a body ended {left} bytes early");
            left -= received as u64;
        }
        Ok((head.status, length))
    }

    /// Sends a request with its body, and discards the body of the answer; returns the status.
    pub(crate) fn send(&mut self, head: &[u8], body: &[u8]) -> Result<u16> {
        self.stream.write_all(head)?;
        self.discard(body).map(|(status, _)| status)
    }

    /// Sends a request and gives the body of its answer to `sink`, piece by piece.
    pub(crate) fn read(&mut self, request: &[u8], mut sink: impl FnMut(&[u8])) -> Result<u16> {
        self.stream.write_all(request)?;
        let head = self.head()?;
        match head.length {
            Some(length) => self.exactly(length, &mut sink)?,
            None => self.chunks(sink)?,
        }
        Ok(head.status)
    }

    /// Sends a request, takes at most so many bytes of the body, and leaves; returns how many they were.
    pub(crate) fn at_most(mut self, request: &[u8], most: u64) -> Result<u64> {
        self.stream.write_all(request)?;
        let head = self.head()?;
        ensure!(head.status == 200, "{}", head.status);
        let mut taken = 0;
        match head.length {
            Some(length) => {
                self.exactly(length.min(most), &mut |bytes: &[u8]| taken += bytes.len() as u64)?
            }
            None => self.chunks(|bytes| taken += bytes.len() as u64)?,
        }
        Ok(taken)
    }

    fn head(&mut self) -> Result<Head> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.context("not an HTTP answer")?;
        let field = |name: &str| {
            lines.iter().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let length = match field("content-length") {
            Some(value) => Some(value.parse()?),
            None if field("transfer-encoding").is_some() => None,
            None => Some(0),
        };
        Ok(Head { status, length })
    }

    fn chunks(&mut self, mut sink: impl FnMut(&[u8])) -> Result<()> {
        loop {
            let length = u64::from_str_radix(&self.line()?, 16)?;
            self.exactly(length, &mut sink)?;
            ensure!(self.line()?.is_empty(), "a chunk is longer than it says");
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn exactly(&mut self, mut left: u64, sink: &mut impl FnMut(&[u8])) -> Result<()> {
        while left > 0 {
            if self.taken == self.filled {
                self.fill()?;
            }
            let end = self.filled.min(self.taken.saturating_add(left as usize));
            sink(&self.buffer[self.taken..end]);
            left -= (end - self.taken) as u64;
            self.taken = end;
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        loop {
            if self.taken == self.filled {
                self.fill()?;
            }
            let rest = &self.buffer[self.taken..self.filled];
            let end = rest.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            self.taken += end.map_or(rest.len(), |end| end + 1);
            if end.is_some() {
                return Ok(String::from_utf8(line)?.trim_end().to_owned());
            }
        }
    }

    /// Little at once: the kernel throws away the bytes behind a head more cheaply.
    fn fill(&mut self) -> Result<()> {
        let most = self.buffer.len().min(1 << 14);
        (self.taken, self.filled) = (0, self.stream.read(&mut self.buffer[..most])?);
        if self.filled == 0 {
            bail!("the connection has ended");
        }
        Ok(())
    }
}
