//! Bodies as chunks for the event loop. Bytes in memory are read there and then; others are read on the
//! blocking pool, one chunk ahead of the socket.

use std::{
    borrow::Cow,
    io::{self, ErrorKind},
    ops::Range,
    os::fd::OwnedFd,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{Blob, BlobBody, CacheError, Chunks, FilePart, Piece};
use rustix::io::Errno;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{buffer::Buffer, file_part::resident, nonblocking_io::NonblockingIo};

/// Chunks that are read on the event loop in one go; others have their turn after that.
const MAX_CHUNKS_AT_ONCE: u32 = 8;

/// Where the bytes of a body come from.
pub trait Fill: Send + 'static {
    /// Fills `room` as far as there is something left, and says how far. Blocks.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn fill(&mut self, room: &mut [u8]) -> Result<usize, CacheError>;

    /// The same without blocking, as far as that is possible: 0 leaves the work, and any error, to [`Self::fill`].
    fn fill_now(&mut self, _room: &mut [u8]) -> usize {
        0
    }

    /// The next bytes, unread, where they are part of a file that the kernel has in memory.
    fn part_now(&mut self) -> Option<FilePart> {
        None
    }

    /// Whether everything has been read.
    fn is_at_end(&self) -> bool;
}

/// The chunks of a source. Once one of them had to be waited for, each is read while the one before it is on its way.
pub struct ReadAhead<S> {
    state: ReadState<S>,
    /// The first chunk, when it was waited for.
    first: Option<Bytes>,
    /// Chunks read without waiting since others had their turn.
    turn: u32,
}

enum ReadState<S> {
    Here(S),
    Reading(JoinHandle<Filled<S>>),
    Done,
}

struct Filled<S> {
    source: S,
    chunk: Result<Bytes, CacheError>,
}

impl<S: Fill> ReadAhead<S> {
    /// Reads this source from now on.
    #[must_use]
    pub const fn start(source: S) -> Self {
        Self { state: ReadState::Here(source), first: None, turn: 0 }
    }

    /// Waits for the first chunk and keeps it, so that an early failure is known before anything is sent.
    ///
    /// # Errors
    /// That failure.
    pub async fn begin(&mut self) -> Result<(), CacheError> {
        self.first = self.next_chunk().await.transpose()?;
        Ok(())
    }
}

impl<S: Fill> Chunks for ReadAhead<S> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            match std::mem::replace(&mut self.state, ReadState::Done) {
                ReadState::Done => return Poll::Ready(None),
                ReadState::Here(source) if source.is_at_end() => return Poll::Ready(None),
                ReadState::Here(source) if self.turn == MAX_CHUNKS_AT_ONCE => {
                    self.turn = 0;
                    self.state = ReadState::Here(source);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                ReadState::Here(mut source) => {
                    let mut buffer = Buffer::take();
                    if buffer.fill_now(|room| source.fill_now(room)) == 0 {
                        self.state = ReadState::read(source, buffer);
                        continue;
                    }
                    self.turn += 1;
                    self.state = ReadState::Here(source);
                    return Poll::Ready(Some(Ok(buffer.into_bytes())));
                }
                ReadState::Reading(mut task) => {
                    let Poll::Ready(filled) = Pin::new(&mut task).poll(cx) else {
                        self.state = ReadState::Reading(task);
                        return Poll::Pending;
                    };
                    let Ok(Filled { source, chunk }) = filled else {
                        return Poll::Ready(Some(Err(CacheError::ShuttingDown)));
                    };
                    if chunk.is_ok() && !source.is_at_end() {
                        self.state = ReadState::read(source, Buffer::take());
                    }
                    // A source that learns of its end only by reading on has an empty last chunk.
                    if !chunk.as_ref().is_ok_and(Bytes::is_empty) {
                        return Poll::Ready(Some(chunk));
                    }
                }
            }
        }
    }
}

impl<S: Fill> ReadAhead<S> {
    /// As [`Chunks::poll_piece`].
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, CacheError>>> {
        if self.first.is_none()
            && self.turn < MAX_CHUNKS_AT_ONCE
            && let ReadState::Here(source) = &mut self.state
            && let Some(part) = source.part_now()
        {
            self.turn += 1;
            return Poll::Ready(Some(Ok(Piece::File(part))));
        }
        self.poll_chunk(cx).map_ok(Piece::Bytes)
    }
}

impl<S: Fill> ReadState<S> {
    fn read(mut source: S, mut buffer: Buffer) -> Self {
        Self::Reading(spawn_blocking(move || {
            let chunk = buffer.fill_with(|room| source.fill(room)).map(|()| buffer.into_bytes());
            Filled { source, chunk }
        }))
    }
}

/// The chunks of a file, or of a range of it.
///
/// The file was opened before, so it can be sent to its end even when its name is gone.
pub struct FileStream(ReadAhead<FileRange>);

impl FileStream {
    /// `path` is for messages only.
    #[must_use]
    pub fn start(file: Arc<OwnedFd>, path: Arc<Path>, range: Range<u64>) -> Self {
        Self(ReadAhead::start(FileRange::new(file, path, range)))
    }
}

impl Chunks for FileStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        self.0.poll_chunk(cx)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, CacheError>>> {
        self.0.poll_part(cx)
    }
}

/// A file, open. It can be read to its end even when its name is gone.
pub struct FileBlob {
    /// The file.
    pub file: Arc<OwnedFd>,
    /// For messages only.
    pub path: Arc<Path>,
    /// Its length in bytes.
    pub len: u64,
    /// As [`Blob::etag`].
    pub etag: String,
}

#[async_trait]
impl Blob for FileBlob {
    fn len(&self) -> u64 {
        self.len
    }

    fn etag(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.etag)
    }

    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        let stream = FileStream::start(Arc::clone(&self.file), Arc::clone(&self.path), range);
        Ok(Some(BlobBody::Stream(Box::new(stream))))
    }
}

/// The rest of a file.
pub struct FileRange {
    file: Arc<OwnedFd>,
    path: Arc<Path>,
    range: Range<u64>,
    nonblocking_io: NonblockingIo,
}

impl FileRange {
    /// `path` is for messages only.
    #[must_use]
    pub fn new(file: Arc<OwnedFd>, path: Arc<Path>, range: Range<u64>) -> Self {
        Self { file, path, range, nonblocking_io: NonblockingIo::default() }
    }
}

impl Fill for FileRange {
    fn fill(&mut self, room: &mut [u8]) -> Result<usize, CacheError> {
        let mut filled = 0;
        while !self.is_at_end() {
            let most = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
            let left = room.get_mut(filled..).unwrap_or_default();
            let left = match left.len() {
                0 => break,
                len => left.get_mut(..len.min(most)).unwrap_or_default(),
            };
            let read = match rustix::io::pread(&self.file, left, self.range.start) {
                Ok(0) => Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "it became shorter while it was sent",
                )),
                Ok(read) => Ok(read),
                Err(Errno::INTR) => Ok(0),
                Err(error) => Err(error.into()),
            }
            .map_err(CacheError::io("read", &*self.path))?;
            filled += read;
            self.range.start += read as u64;
        }
        Ok(filled)
    }

    fn fill_now(&mut self, room: &mut [u8]) -> usize {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let most = left.min(room.len());
        let room = room.get_mut(..most).unwrap_or_default();
        let filled = self.nonblocking_io.read(&self.file, room, self.range.start);
        self.range.start += filled as u64;
        filled
    }

    fn part_now(&mut self) -> Option<FilePart> {
        let part = resident(&self.file, &self.range)?;
        self.range.start += part.len as u64;
        Some(part)
    }

    fn is_at_end(&self) -> bool {
        self.range.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use super::*;
    use crate::buffer::BUFFER_BYTES;

    fn file(contents: &[u8]) -> (Arc<OwnedFd>, File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(contents).unwrap();
        (Arc::new(file.try_clone().unwrap().into()), file)
    }

    fn stream(file: &Arc<OwnedFd>, range: Range<u64>) -> FileStream {
        FileStream::start(Arc::clone(file), Path::new("some file").into(), range)
    }

    async fn collect(mut stream: FileStream) -> Result<(Vec<u8>, usize), CacheError> {
        let (mut bytes, mut chunks) = (Vec::new(), 0);
        while let Some(chunk) = stream.next_chunk().await {
            bytes.extend_from_slice(&chunk?);
            chunks += 1;
        }
        Ok((bytes, chunks))
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i / 7 % 251) as u8).collect()
    }

    #[tokio::test]
    async fn every_range_of_a_file_arrives_in_chunks() {
        let contents = pattern(3 * BUFFER_BYTES + 11);
        let (file, _handle) = file(&contents);
        let len = contents.len() as u64;
        let buffer = BUFFER_BYTES as u64;
        for (range, chunks) in [
            (0..len, 4),
            (0..0, 0),
            (len..len, 0),
            (0..buffer, 1),
            (1..buffer + 2, 2),
            (len - 1..len, 1),
            (buffer - 1..2 * buffer + 5, 2),
        ] {
            let expected = &contents[range.start as usize..range.end as usize];
            let (bytes, count) = collect(stream(&file, range.clone())).await.unwrap();
            assert!(bytes == expected, "{range:?}");
            assert_eq!(count, chunks, "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_ends_with_an_error() {
        let (file, handle) = file(&pattern(BUFFER_BYTES + 100));
        let len = BUFFER_BYTES as u64 + 100;
        handle.set_len(BUFFER_BYTES as u64 + 50).unwrap();
        let (mut stream, mut read) = (stream(&file, 0..len), 0);
        let error = loop {
            match stream.next_chunk().await.unwrap() {
                Ok(chunk) => read += chunk.len(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(read >= BUFFER_BYTES && read < len as usize, "{read}");
        assert!(error.contains("some file") && error.contains("shorter"), "{error}");
        assert!(stream.next_chunk().await.is_none());
    }
}
