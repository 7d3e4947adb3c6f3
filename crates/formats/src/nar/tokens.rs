//! Reading the strings of an archive, counting its bytes.

use std::io::{self, BufRead, BufReader, Read};

use super::limits::TreeError;
use super::read_error::NarReadError;
use super::wire;

/// Longest of the fixed words: `nix-archive-1` has 13 bytes, and Nix allows 32.
pub(super) const WORD_MAX: usize = 32;

/// The strings of an archive, one after the other.
#[derive(Debug)]
pub(super) struct NarTokens<R> {
    input: BufReader<R>,
    offset: u64,
}

impl<R: Read> NarTokens<R> {
    pub(super) fn new(input: R, buffer_bytes: usize) -> Self {
        Self { input: BufReader::with_capacity(buffer_bytes, input), offset: 0 }
    }

    /// Number of bytes read so far.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads a string of at most `limit` bytes into `string`.
    pub(super) fn string(
        &mut self,
        string: &mut Vec<u8>,
        limit: usize,
        too_long: impl FnOnce(u64) -> TreeError,
    ) -> Result<(), NarReadError> {
        let len = self.length()?;
        let Some(count) = usize::try_from(len).ok().filter(|&count| count <= limit) else {
            return Err(too_long(len).into());
        };
        string.resize(count, 0);
        self.exact(string)?;
        self.padding(len)
    }

    /// Reads one of the fixed words.
    pub(super) fn word<'b>(
        &mut self,
        buffer: &'b mut [u8; WORD_MAX],
    ) -> Result<&'b [u8], NarReadError> {
        let offset = self.offset;
        let len = self.length()?;
        let Some(word) = usize::try_from(len).ok().and_then(|len| buffer.get_mut(..len)) else {
            return Err(NarReadError::WordTooLong { offset, len });
        };
        self.exact(word)?;
        self.padding(len)?;
        Ok(word)
    }

    /// Reads the one word that can come here.
    pub(super) fn expect(
        &mut self,
        want: &[u8],
        expected: &'static str,
    ) -> Result<(), NarReadError> {
        let at = self.offset;
        let mut buffer = [0; WORD_MAX];
        let found = self.word(&mut buffer)?;
        if found == want { Ok(()) } else { Err(NarReadError::unexpected(at, expected, found)) }
    }

    pub(super) fn length(&mut self) -> Result<u64, NarReadError> {
        let mut word = [0; 8];
        self.exact(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// Reads the padding after `len` bytes.
    pub(super) fn padding(&mut self, len: u64) -> Result<(), NarReadError> {
        let offset = self.offset;
        let mut padding = [0; 8];
        if let Some(padding) = padding.get_mut(..wire::padding(len)) {
            self.exact(padding)?;
        }
        if padding == [0; 8] { Ok(()) } else { Err(NarReadError::Padding { offset }) }
    }

    /// Reads some bytes, at least one unless `buf` is empty.
    pub(super) fn some(&mut self, buf: &mut [u8]) -> Result<usize, NarReadError> {
        loop {
            match self.input.read(buf) {
                Ok(0) if !buf.is_empty() => return Err(self.truncated()),
                Ok(count) => {
                    self.offset += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Passes over bytes.
    pub(super) fn skip(&mut self, mut missing: u64) -> Result<(), NarReadError> {
        while missing > 0 {
            let available = self.available()?;
            if available == 0 {
                return Err(self.truncated());
            }
            let count =
                usize::try_from(missing).map_or(available, |missing| missing.min(available));
            self.input.consume(count);
            self.offset += count as u64;
            missing -= count as u64;
        }
        Ok(())
    }

    /// Whether the input has ended.
    pub(super) fn is_end(&mut self) -> Result<bool, NarReadError> {
        Ok(self.available()? == 0)
    }

    fn available(&mut self) -> Result<usize, NarReadError> {
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn exact(&mut self, buf: &mut [u8]) -> Result<(), NarReadError> {
        match self.input.read_exact(buf) {
            Ok(()) => {
                self.offset += buf.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.truncated()),
            Err(error) => Err(error.into()),
        }
    }

    const fn truncated(&self) -> NarReadError {
        NarReadError::Truncated { offset: self.offset }
    }
}
