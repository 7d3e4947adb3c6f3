//! Where a body ends, and whether it got there.

use std::io::{self, BufRead, Read};

use super::Head;

/// How much of a body is still to come.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
}

#[derive(Debug)]
enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks; so many bytes of the present one.
    Chunks(u64),
    /// Until the connection ends.
    Close,
    /// Nothing more; whether it ended as promised.
    Ended { complete: bool },
}

impl Body {
    /// The body that goes with this head, in answer to a `HEAD` or not.
    pub(super) fn of(head: &Head, to_head: bool) -> Self {
        let bodiless = to_head || head.status < 200 || matches!(head.status, 204 | 304);
        let framing = if bodiless {
            Framing::Ended { complete: true }
        } else if head
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            assert_eq!(head.content_length(), None, "both a length and chunks");
            Framing::Chunks(0)
        } else {
            head.content_length().map_or(Framing::Close, Framing::Length)
        };
        let mut body = Self { framing };
        body.settle();
        body
    }

    /// `Some(true)` when the body has ended as promised, `Some(false)` when it was cut off.
    #[must_use]
    pub const fn ended(&self) -> Option<bool> {
        match self.framing {
            Framing::Ended { complete } => Some(complete),
            _ => None,
        }
    }

    /// Reads some more bytes; 0 when the body has ended one way or the other.
    pub(super) fn read(&mut self, stream: &mut impl BufRead, buffer: &mut [u8]) -> usize {
        if self.next_chunk(stream).is_err() {
            self.framing = Framing::Ended { complete: false };
        }
        let left = match self.framing {
            Framing::Ended { .. } => return 0,
            Framing::Length(left) | Framing::Chunks(left) => left,
            Framing::Close => u64::MAX,
        };
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = match stream.read(&mut buffer[..len]) {
            Ok(read) => read,
            Err(error) if is_timeout(&error) => panic!("nothing arrived for too long"),
            Err(_) => 0,
        };
        match &mut self.framing {
            _ if read == 0 => {
                let complete = matches!(self.framing, Framing::Close);
                self.framing = Framing::Ended { complete };
            }
            Framing::Length(left) | Framing::Chunks(left) => *left -= read as u64,
            Framing::Close | Framing::Ended { .. } => {}
        }
        self.settle();
        read
    }

    fn settle(&mut self) {
        if matches!(self.framing, Framing::Length(0)) {
            self.framing = Framing::Ended { complete: true };
        }
    }

    /// Reads the frame before the next chunk, if this is the place for it.
    fn next_chunk(&mut self, stream: &mut impl BufRead) -> io::Result<()> {
        if !matches!(self.framing, Framing::Chunks(0)) {
            return Ok(());
        }
        let mut size = read_line(stream)?;
        if size.is_empty() {
            size = read_line(stream)?;
        }
        let size = u64::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
            .map_err(io::Error::other)?;
        self.framing = Framing::Chunks(size);
        if size == 0 {
            while !read_line(stream)?.is_empty() {}
            self.framing = Framing::Ended { complete: true };
        }
        Ok(())
    }
}

/// One line ended by CRLF, without that.
pub(super) fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.take(1 << 20).read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    Ok(String::from_utf8_lossy(line).into_owned())
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
