//! The length of the body of a request.

/// The rest of the body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// So many bytes: none at the end of every body.
    Length(u64),
    /// Chunks, of which the first so many bytes were seen.
    Chunked(ChunkPosition),
    /// Everything until the client closes the connection.
    Endless,
}

/// The body does not follow the rules of chunks. Its end cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyError;

/// A place in a body of chunks, named by the next expected part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkPosition {
    /// The first digit of the size of a chunk.
    FirstDigit,
    /// Another digit; the size so far.
    Digit(u64),
    /// Space behind the size.
    Space(u64),
    /// An extension behind the size.
    Extension(u64),
    /// The line feed behind the size.
    SizeEnd(u64),
    /// So many bytes of data.
    Data(u64),
    /// The end of the line behind data.
    DataCr,
    /// Its line feed.
    DataLf,
    /// The first byte of a trailer, or the last line.
    TrailerStart,
    /// More of a trailer.
    Trailer,
    /// The line feed behind a trailer.
    TrailerLf,
    /// The line feed of the last line.
    LastLf,
}

impl RequestBody {
    /// No body.
    pub const NONE: Self = Self::Length(0);

    /// A body in chunks, at its beginning.
    pub const CHUNKED: Self = Self::Chunked(ChunkPosition::FirstDigit);

    /// Whether nothing more belongs to the request.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Reads on. Returns how many of these bytes, counted from the first, belong to the request.
    ///
    /// # Errors
    /// The bytes are not chunks.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, BodyError> {
        match self {
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(taken as u64);
                Ok(taken)
            }
            Self::Endless => Ok(bytes.len()),
            Self::Chunked(position) => {
                let (taken, is_complete) = position.advance(bytes)?;
                if is_complete {
                    *self = Self::NONE;
                }
                Ok(taken)
            }
        }
    }
}

impl ChunkPosition {
    /// Returns how many bytes were taken, and whether the body ends behind them.
    fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), BodyError> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Self::Data(left) = self {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let taken = most.min(bytes.len() - at);
                at += taken;
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            at += 1;
            if matches!((&*self, byte), (Self::LastLf, b'\n')) {
                return Ok((at, true));
            }
            *self = self.after(*byte)?;
        }
        Ok((at, false))
    }

    /// The position behind this byte, which is neither data nor the last one.
    fn after(&self, byte: u8) -> Result<Self, BodyError> {
        Ok(match (self, byte) {
            (Self::FirstDigit, _) => Self::Digit(digit(byte).ok_or(BodyError)?),
            (&Self::Digit(size) | &Self::Space(size), b' ' | b'\t') => Self::Space(size),
            (&Self::Digit(size) | &Self::Space(size), b';') => Self::Extension(size),
            (&Self::Digit(size) | &Self::Space(size) | &Self::Extension(size), b'\r') => {
                Self::SizeEnd(size)
            }
            (Self::Digit(size), _) => {
                let digit = digit(byte).ok_or(BodyError)?;
                Self::Digit(size.checked_mul(16).ok_or(BodyError)? + digit)
            }
            (Self::Extension(_), 0..=8 | 10..=31 | 127) => return Err(BodyError),
            (&Self::Extension(size), _) => Self::Extension(size),
            (Self::SizeEnd(0), b'\n') => Self::TrailerStart,
            (&Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::FirstDigit,
            (Self::TrailerStart, b'\r') => Self::LastLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::TrailerStart | Self::Trailer, _) => Self::Trailer,
            (Self::TrailerLf, b'\n') => Self::TrailerStart,
            _ => return Err(BodyError),
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of a body in chunks at the beginning of a text, read in pieces of this size.
    fn length(text: &str, piece: usize) -> Result<Option<usize>, BodyError> {
        let (mut body, mut taken) = (RequestBody::CHUNKED, 0);
        for bytes in text.as_bytes().chunks(piece) {
            taken += body.advance(bytes)?;
            if body.is_complete() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_end_with_an_empty_one_and_its_trailers() {
        for chunks in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "a;name=\"value\"\r\n0\r\n\r\n01234\r\n1 ; x\r\n!\r\n000\r\nSome: trailer\r\n\r\n",
        ] {
            for piece in 1..=chunks.len() {
                let text = format!("{chunks}GET / HTTP/1.1\r\n");
                assert_eq!(length(&text, piece), Ok(Some(chunks.len())), "{text:?}");
                let cut = chunks.strip_suffix('\n').unwrap();
                assert_eq!(length(cut, piece), Ok(None), "{chunks:?}");
            }
        }
    }

    #[test]
    fn other_bytes_are_not_taken_for_chunks() {
        for text in [
            "\r\n",
            "x\r\n",
            "5\nhello\r\n",
            "5\r\nhello!\r\n",
            "-1\r\n",
            "1 1\r\n",
            "1;\0\r\n",
            "0\r\n\rx",
            "10000000000000000\r\n",
        ] {
            assert_eq!(length(text, text.len()), Err(BodyError), "{text:?}");
        }
    }

    #[test]
    fn a_length_ends_where_it_says() {
        let mut body = RequestBody::Length(5);
        assert_eq!(body.advance(b"hel"), Ok(3));
        assert!(!body.is_complete());
        assert_eq!(body.advance(b"loGET"), Ok(2));
        assert!(body.is_complete());
        assert_eq!(body.advance(b"GET"), Ok(0));
    }
}
