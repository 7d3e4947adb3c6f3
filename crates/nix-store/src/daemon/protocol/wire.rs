//! The bytes of the worker protocol.
//!
//! Everything is a little-endian `u64` or a string: its length as a `u64`, the bytes, and zero bytes
//! up to the next multiple of eight. Lists are a count and the items, truth values are 0 and 1.
//!
//! The daemon is another program, perhaps a broken one: every length is checked against a limit
//! before anything is kept, and memory grows only with bytes that really arrived.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};

/// Longest text that is kept: versions, feature names, the messages of errors.
pub(super) const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Longest text that is only passed over: log lines and the fields of activities.
pub(super) const MAX_SKIPPED_TEXT_BYTES: u64 = 64 << 20;
/// Most items in any list of a message.
pub(super) const MAX_LIST_ITEMS: u64 = 1 << 16;

/// Why the bytes from the daemon cannot be understood. The connection is of no more use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The other side closed the connection in the middle of a message.
    #[error("the connection was closed")]
    Closed,
    /// The operating system reported an error.
    #[error(transparent)]
    Io(io::Error),
    /// A length or count is larger than anything a real daemon sends.
    #[error("{what} of {len} is longer than the limit of {limit}")]
    TooLong {
        /// The part of the message that was read.
        what: &'static str,
        /// The length or count that was announced.
        len: u64,
        /// The largest that is accepted.
        limit: u64,
    },
    /// The bytes that fill a string up to a multiple of eight are not zero.
    #[error("the padding of a string is not zero")]
    Padding,
    /// A number has no meaning where it stands.
    #[error("unexpected {what} {value:#x}")]
    Unexpected {
        /// The part of the message that was read.
        what: &'static str,
        /// The value found there.
        value: u64,
    },
    /// The daemon spoke although nothing was asked.
    #[error("the daemon sent data that was not requested")]
    Unasked,
    /// An earlier call was given up before its answer was read.
    #[error("an earlier answer was not read to its end")]
    Abandoned,
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A daemon that goes away closes, resets, or makes the next write fail.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Reads the protocol's values from any stream of bytes.
#[derive(Debug)]
pub(super) struct WireReader<R> {
    bytes: BufReader<R>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WireReader<S> {
    /// Sends a message over the stream that is read.
    pub(super) async fn send(&mut self, message: &Message) -> Result<(), WireError> {
        let stream = self.bytes.get_mut();
        stream.write_all(message.as_bytes()).await?;
        stream.flush().await?;
        Ok(())
    }

    /// Sends from the front of `bytes` until they are sent, or the other side takes no more and says something. Whether
    /// it does; its messages are read before the rest is sent, since it may wait for that.
    pub(super) async fn send_unless_interrupted(
        &mut self,
        bytes: &mut &[u8],
    ) -> Result<bool, WireError> {
        poll_fn(|cx| {
            loop {
                if bytes.is_empty() {
                    return Poll::Ready(Ok(false));
                }
                match Pin::new(self.bytes.get_mut()).poll_write(cx, bytes) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(WireError::Closed)),
                    Poll::Ready(Ok(sent)) => *bytes = bytes.get(sent..).unwrap_or_default(),
                    // A daemon that refuses says why before it closes.
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(match WireError::from(error) {
                            WireError::Closed => Ok(true),
                            other => Err(other),
                        });
                    }
                    Poll::Pending => {
                        return match Pin::new(&mut self.bytes).poll_fill_buf(cx) {
                            Poll::Pending => Poll::Pending,
                            Poll::Ready(Ok([])) => Poll::Ready(Err(WireError::Closed)),
                            Poll::Ready(Ok(_)) => Poll::Ready(Ok(true)),
                            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                        };
                    }
                }
            }
        })
        .await
    }
}

impl<R: AsyncRead + Unpin> WireReader<R> {
    /// Reads from `bytes`, through a buffer.
    pub(super) fn new(bytes: R) -> Self {
        Self { bytes: BufReader::with_capacity(4096, bytes) }
    }

    /// Reads a number.
    ///
    /// # Errors
    /// When the stream ends or fails.
    pub(super) async fn number(&mut self) -> Result<u64, WireError> {
        Ok(self.bytes.read_u64_le().await?)
    }

    /// Reads a truth value; any number but 0 is true, as in Nix itself.
    ///
    /// # Errors
    /// When the stream ends or fails.
    pub(super) async fn boolean(&mut self) -> Result<bool, WireError> {
        Ok(self.number().await? != 0)
    }

    /// Reads the count of a list.
    ///
    /// # Errors
    /// When the stream ends or fails, or the count is absurd.
    pub(super) async fn count(&mut self) -> Result<u64, WireError> {
        let count = self.number().await?;
        within("a list", count, MAX_LIST_ITEMS)
    }

    /// Reads a string.
    ///
    /// # Errors
    /// When the stream ends or fails, the length is absurd, or the padding is not zero.
    pub(super) async fn string(&mut self) -> Result<Vec<u8>, WireError> {
        let len = within("a string", self.number().await?, MAX_TEXT_BYTES)?;
        let mut string = Vec::new();
        (&mut self.bytes).take(len).read_to_end(&mut string).await?;
        if string.len() as u64 != len {
            return Err(WireError::Closed);
        }
        self.padding(len).await?;
        Ok(string)
    }

    /// Passes over a string without keeping it.
    ///
    /// # Errors
    /// As [`Self::string`].
    pub(super) async fn skip_string(&mut self) -> Result<(), WireError> {
        let len = within("a string", self.number().await?, MAX_SKIPPED_TEXT_BYTES)?;
        let mut left = len;
        while left > 0 {
            let here = self.bytes.fill_buf().await?.len();
            if here == 0 {
                return Err(WireError::Closed);
            }
            let taken = here.min(usize::try_from(left).unwrap_or(here));
            self.bytes.consume(taken);
            left -= taken as u64;
        }
        self.padding(len).await
    }

    /// Waits until the stream ends or something arrives; nothing is taken from it.
    ///
    /// Giving up the wait loses nothing.
    pub(super) async fn disturbance(&mut self) -> WireError {
        match self.bytes.fill_buf().await {
            Ok([]) => WireError::Closed,
            Ok(_) => WireError::Unasked,
            Err(error) => error.into(),
        }
    }

    async fn padding(&mut self, len: u64) -> Result<(), WireError> {
        for _ in 0..padding_of(len) {
            if self.bytes.read_u8().await? != 0 {
                return Err(WireError::Padding);
            }
        }
        Ok(())
    }
}

/// A message on its way to the daemon.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Appends a number.
    #[must_use]
    pub(super) fn number(mut self, number: u64) -> Self {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Appends a string.
    #[must_use]
    pub(super) fn string(self, string: impl AsRef<[u8]>) -> Self {
        let string = string.as_ref();
        let len = string.len() as u64;
        let mut message = self.number(len);
        message.bytes.extend_from_slice(string);
        message.bytes.extend((0..padding_of(len)).map(|_| 0));
        message
    }

    /// Appends a list of strings.
    #[must_use]
    pub(super) fn strings<T: AsRef<[u8]>>(self, strings: &[T]) -> Self {
        let message = self.number(strings.len() as u64);
        strings.iter().fold(message, |message, string| message.string(string))
    }

    /// The bytes as they go over the socket.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// How many zero bytes follow a string of `len` bytes.
fn padding_of(len: u64) -> u64 {
    len.wrapping_neg() % 8
}

pub(super) fn within(what: &'static str, len: u64, limit: u64) -> Result<u64, WireError> {
    if len > limit {
        return Err(WireError::TooLong { what, len, limit });
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(message: &Message) -> WireReader<&[u8]> {
        WireReader::new(message.as_bytes())
    }

    #[tokio::test]
    async fn strings_of_every_length_come_back_and_leave_the_stream_aligned() {
        for len in 0..40 {
            let text = vec![b'x'; len];
            let message = Message::default().string(&text).string(&text).number(7);
            assert_eq!(message.as_bytes().len() % 8, 0);
            let mut reader = reader(&message);
            assert_eq!(reader.string().await.unwrap(), text);
            reader.skip_string().await.unwrap();
            assert_eq!(reader.number().await.unwrap(), 7);
        }
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        let message = Message::default().number(u64::MAX);
        for limit in [MAX_TEXT_BYTES, MAX_SKIPPED_TEXT_BYTES, MAX_LIST_ITEMS] {
            let error = match limit {
                MAX_TEXT_BYTES => reader(&message).string().await.unwrap_err(),
                MAX_SKIPPED_TEXT_BYTES => reader(&message).skip_string().await.unwrap_err(),
                _ => reader(&message).count().await.unwrap_err(),
            };
            assert!(matches!(error, WireError::TooLong { limit: l, .. } if l == limit));
        }
    }

    #[tokio::test]
    async fn padding_must_be_zero() {
        let mut bytes = Message::default().string("abc").as_bytes().to_vec();
        bytes[15] = 1;
        let error = WireReader::new(&bytes[..]).string().await.unwrap_err();
        assert!(matches!(error, WireError::Padding));
        let error = WireReader::new(&bytes[..]).skip_string().await.unwrap_err();
        assert!(matches!(error, WireError::Padding));
    }

    #[tokio::test]
    async fn a_stream_that_ends_early_is_closed_wherever_it_ends() {
        let bytes = Message::default().string("thirteen char").as_bytes().to_vec();
        for end in 0..bytes.len() {
            let error = WireReader::new(&bytes[..end]).string().await.unwrap_err();
            assert!(matches!(error, WireError::Closed), "{end}: {error}");
            let error = WireReader::new(&bytes[..end]).skip_string().await.unwrap_err();
            assert!(matches!(error, WireError::Closed), "{end}: {error}");
        }
    }
}
