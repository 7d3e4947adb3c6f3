//! Bodies as chunks for the event loop.

use std::{
    future::poll_fn,
    os::fd::OwnedFd,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::CacheError;

/// The chunks of a body. Between two chunks no thread is held, however slow the client is; dropping
/// them ends the work.
pub trait Chunks: Send {
    /// The next chunk, never an empty one; `None` at the end. After an error there is nothing more:
    /// the body is incomplete, and the server cuts the connection so that the client sees it.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>>;

    /// The next piece, for a caller that can send part of a file without reading it. Otherwise as
    /// [`Self::poll_chunk`].
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, CacheError>>> {
        self.poll_chunk(cx).map_ok(Piece::Bytes)
    }

    /// The next chunk, for a caller that can wait.
    fn next_chunk(&mut self) -> impl Future<Output = Option<Result<Bytes, CacheError>>> + Send
    where
        Self: Sized,
    {
        poll_fn(|cx| self.poll_chunk(cx))
    }
}

impl<T: Chunks + ?Sized> Chunks for Box<T> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        (**self).poll_chunk(cx)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, CacheError>>> {
        (**self).poll_piece(cx)
    }
}

/// The next bytes of a body; never empty.
#[derive(Debug)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Part of a file that the kernel has in memory.
    File(FilePart),
}

impl Piece {
    /// Bytes left to send.
    #[must_use]
    pub const fn left(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(part) => part.len,
        }
    }
}

/// Part of a file. The kernel had it in memory when this was made: to send or to read it does not wait for a disk.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The file.
    pub file: Arc<OwnedFd>,
    /// Where the part begins in it.
    pub offset: u64,
    /// How many bytes the part has, at most [`FilePart::MAX_LEN`].
    pub len: usize,
    /// Whether nothing of the body follows this part.
    pub is_last: bool,
}

impl FilePart {
    /// So many bytes are sent in one go; other connections have their turn after that.
    pub const MAX_LEN: usize = 1 << 20;
}

/// Chunks that are in memory already, one after the other. Empty ones are left out.
impl Chunks for std::vec::IntoIter<Bytes> {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        Poll::Ready(self.find(|chunk| !chunk.is_empty()).map(Ok))
    }
}

/// Reads all chunks into memory, and fails when there are more than `max` bytes.
pub(crate) async fn read_all(chunks: &mut dyn Chunks, max: u64) -> Result<Bytes, CacheError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = poll_fn(|cx| chunks.poll_chunk(cx)).await {
        let chunk = chunk?;
        if bytes.len() as u64 + chunk.len() as u64 > max {
            return Err(CacheError::Invalid {
                object: "a body".to_owned(),
                why: format!("it has more than the {max} bytes that were announced"),
            });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
