//! Errors of texts that should be store paths.

use thiserror::Error;

use super::store_dir::StoreDir;

/// Why a text is not a store path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StorePathError {
    /// Fewer than 32 characters of hash.
    #[error("too short for a store path")]
    TooShort,
    /// The first 32 characters are not nix32.
    #[error("the hash part is not 32 nix32 digits")]
    InvalidHashPart,
    /// No dash after the hash part.
    #[error("there is no dash after the hash part")]
    NoDash,
    /// Nothing after the dash.
    #[error("the name is empty")]
    EmptyName,
    /// More than 211 characters of name.
    #[error("the name has {length} characters, more than the 211 that are possible")]
    NameTooLong {
        /// Bytes in the name.
        length: usize,
    },
    /// A byte names may not contain.
    #[error("the name contains the byte {byte:#04x}")]
    InvalidNameByte {
        /// The offending byte.
        byte: u8,
    },
    /// The name, or the part before its first dash, is `.` or `..`.
    #[error("the name is, or its first dash-separated part is, `.` or `..`")]
    DotName,
    /// A full path that is not directly below the store directory.
    #[error("the path is not in the store directory {store_dir}")]
    NotInStore {
        /// The directory that was expected.
        store_dir: StoreDir,
    },
}
