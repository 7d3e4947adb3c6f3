//! Why an uploaded NAR is refused.

use std::io;

use rns_formats::{Compression, NarReadError, Sha256Digest};

/// Why an uploaded NAR is refused.
#[derive(Debug, thiserror::Error)]
pub enum NarRejection {
    /// The bytes have another hash than the file name says.
    #[error("the file has the hash {found}, its name says {expected}")]
    FileHash {
        /// According to the name.
        expected: String,
        /// Of the bytes.
        found: Sha256Digest,
    },
    /// The decompressed NAR is larger than allowed.
    #[error("the NAR is larger than {limit} bytes")]
    TooLarge {
        /// The configured limit in bytes.
        limit: u64,
    },
    /// This server has no decoder for the compression.
    #[error("NARs compressed with {0} are not accepted")]
    Unsupported(Compression),
    /// The compressed data is damaged, cut off, or followed by something else.
    #[error("the compressed data is invalid: {0}")]
    Decompression(io::Error),
    /// The decompressed bytes are no canonical NAR.
    #[error("not a canonical NAR: {0}")]
    NotCanonical(NarReadError),
    /// The upload itself failed: the client left, or the storage did not take the bytes.
    #[error("the upload ended early: {0}")]
    Input(io::Error),
}

/// Marks an error of the input below a decoder, so that it is not taken for a fault of the data.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct InputError(pub(crate) io::Error);

impl NarRejection {
    /// Tells an error of the input from one of the decoder that reads it.
    pub(crate) fn of_read(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<InputError>()) {
            return Self::Input(error);
        }
        Self::Decompression(error)
    }
}

impl From<NarReadError> for NarRejection {
    fn from(error: NarReadError) -> Self {
        match error {
            NarReadError::Io(error) => Self::of_read(error),
            other => Self::NotCanonical(other),
        }
    }
}
