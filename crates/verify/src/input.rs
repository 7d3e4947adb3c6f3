//! The input of a decoder: buffered, looked at ahead, its errors marked.

use std::io::{self, BufRead, Read};

use crate::{rejection::InputError, window::HEADER_BYTES};

/// The bytes read from the input at a time.
pub(crate) const INPUT_BUFFER_BYTES: usize = 128 << 10;

/// Reads another reader through a buffer.
pub struct Input<R> {
    reader: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self::of_length(reader, INPUT_BUFFER_BYTES)
    }

    /// The same of a reader that has so many bytes: a buffer is not made larger than it is of use.
    pub(crate) fn of_length(reader: R, length: usize) -> Self {
        let bytes = length.clamp(HEADER_BYTES, INPUT_BUFFER_BYTES);
        Self { reader, buffer: vec![0; bytes].into(), start: 0, end: 0 }
    }

    /// The next `count` bytes, which stay; fewer at the end of the input. `count` is small.
    pub(crate) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            while self.end < count && self.fill()? > 0 {}
        }
        let end = self.end.min(self.start + count);
        Ok(self.buffer.get(self.start..end).unwrap_or_default())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A decoder passes this on among its own errors.
                Err(error) => return Err(io::Error::new(error.kind(), InputError(error))),
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
            }
        }
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.fill()?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), available.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}
