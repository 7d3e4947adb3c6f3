//! Errors of archives.

use std::io;

use super::build::LayoutError;
use super::limits::TreeError;

/// Why something is not an archive, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NarReadError {
    /// It does not begin as an archive does.
    #[error("this is not a Nix archive")]
    NotAnArchive,
    /// It ends before the archive is complete.
    #[error("the archive ends at byte {offset}, before it is complete")]
    Truncated {
        /// Number of bytes that were there and made sense.
        offset: u64,
    },
    /// Bytes follow after the archive.
    #[error("the archive ends at byte {offset}, but more bytes follow")]
    TrailingBytes {
        /// Length of the archive proper.
        offset: u64,
    },
    /// A word is not the one that a canonical archive has here.
    #[error("at byte {offset} of the archive: expected {expected}, found \"{}\"", .found.escape_ascii())]
    Unexpected {
        /// Where the word begins.
        offset: u64,
        /// The expected token.
        expected: &'static str,
        /// The token that was found.
        found: Box<[u8]>,
    },
    /// A word is longer than any that archives use.
    #[error("at byte {offset} of the archive: a word of {len} bytes")]
    WordTooLong {
        /// Where the word begins.
        offset: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// The bytes that fill a string up to a multiple of 8 are not zero.
    #[error("at byte {offset} of the archive: padding that is not zero")]
    Padding {
        /// Where the padding begins.
        offset: u64,
    },
    /// The tree breaks a rule or a limit.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The archive is too large to be laid out.
    #[error("the archive is too large")]
    TooLarge,
    /// An earlier call failed already.
    #[error("reading the archive failed before")]
    Failed,
    /// Reading failed.
    #[error("reading the archive")]
    Io(#[from] io::Error),
}

impl From<LayoutError> for NarReadError {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Tree(error) => Self::Tree(error),
            LayoutError::TooLarge => Self::TooLarge,
        }
    }
}

impl NarReadError {
    pub(super) fn unexpected(offset: u64, expected: &'static str, found: &[u8]) -> Self {
        Self::Unexpected { offset, expected, found: found.into() }
    }
}
