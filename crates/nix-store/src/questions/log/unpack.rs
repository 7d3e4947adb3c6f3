//! Compressed build logs as text.

use std::{
    io::{self, BufReader, ErrorKind, Read},
    os::fd::OwnedFd,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use bzip2::bufread::MultiBzDecoder;

use crate::{CacheError, file_io::chunks::Fill};

/// A log that has no more bytes than this is unpacked before anything of it is sent, so that its length
/// is known.
pub(super) const MAX_WHOLE_BYTES: u64 = 4 << 20;

/// The whole log, unless it is longer than [`MAX_WHOLE_BYTES`].
pub(super) fn unpack(file: &Arc<OwnedFd>, path: &Arc<Path>) -> Result<Option<Bytes>, CacheError> {
    let mut bytes = Vec::new();
    let mut decoder = Unpacker::new(file, path).decoder.take(MAX_WHOLE_BYTES + 1);
    decoder.read_to_end(&mut bytes).map_err(|error| cannot_unpack(path, &error))?;
    bytes.shrink_to_fit();
    Ok((bytes.len() as u64 <= MAX_WHOLE_BYTES).then(|| bytes.into()))
}

/// A bzip2 file as text. It may have several streams, one after the other.
pub(super) struct Unpacker {
    decoder: MultiBzDecoder<BufReader<SharedFileReader>>,
    path: Arc<Path>,
    ended: bool,
}

impl Unpacker {
    pub(super) fn new(file: &Arc<OwnedFd>, path: &Arc<Path>) -> Self {
        let reader = SharedFileReader { file: Arc::clone(file), offset: 0 };
        let decoder = MultiBzDecoder::new(BufReader::with_capacity(64 << 10, reader));
        Self { decoder, path: Arc::clone(path), ended: false }
    }
}

impl Fill for Unpacker {
    fn fill(&mut self, room: &mut [u8]) -> Result<usize, CacheError> {
        let mut filled = 0;
        while let Some(left) = room.get_mut(filled..).filter(|left| !left.is_empty()) {
            match self.decoder.read(left) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot_unpack(&self.path, &error)),
            }
        }
        Ok(filled)
    }

    fn is_at_end(&self) -> bool {
        self.ended
    }
}

/// Reads a file that others read too, from its beginning.
struct SharedFileReader {
    file: Arc<OwnedFd>,
    offset: u64,
}

impl Read for SharedFileReader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = rustix::io::pread(&self.file, room, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// A log that is cut short or no bzip2 file: perhaps the build still runs, perhaps it never ended.
fn cannot_unpack(path: &Path, error: &io::Error) -> CacheError {
    CacheError::Invalid {
        object: format!("the build log {}", path.display()),
        why: error.to_string(),
    }
}
