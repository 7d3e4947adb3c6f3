//! The place for bytes that are to be uploaded: memory, or a file that has no name.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, Write},
    path::Path,
    sync::Arc,
};

use rns_client::UploadBody;

/// The largest NAR that is packed in memory, and the largest log, in bytes. As many as there are jobs are in memory at the
/// same time.
pub(crate) const MAX_MEMORY_BYTES: u64 = 4 << 20;

/// The place for bytes that are to be uploaded.
pub(crate) enum BodyTarget {
    Memory(Vec<u8>),
    File(BufWriter<File>),
}

impl BodyTarget {
    pub(crate) const fn memory() -> Self {
        Self::Memory(Vec::new())
    }

    /// A file in this directory, which goes when it is closed.
    pub(crate) fn file(scratch: &Path) -> io::Result<Self> {
        Ok(Self::File(BufWriter::new(tempfile::tempfile_in(scratch)?)))
    }

    /// All bytes that were written, so many for a file.
    pub(crate) fn into_body(self, length: u64) -> io::Result<UploadBody> {
        match self {
            Self::Memory(memory) => Ok(UploadBody::Bytes(memory.into())),
            Self::File(file) => {
                let mut file = file.into_inner().map_err(|error| error.into_error())?;
                file.rewind()?;
                Ok(UploadBody::File(Arc::new(file), length))
            }
        }
    }
}

impl Write for BodyTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Memory(memory) => memory.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(file) => file.flush(),
        }
    }
}
