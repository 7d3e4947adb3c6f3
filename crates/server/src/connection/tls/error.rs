//! What is wrong with a certificate or a key.

use std::{fmt, path::PathBuf};

use crate::caches::copies::original;

/// A certificate or key file that cannot be used. The text names the file, what is wrong, and where
/// possible what mends it.
#[derive(Debug, thiserror::Error)]
#[error("{role} file {path}: {problem}", path = original(path).display())]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    pub(super) role: Role,
    pub(super) problem: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Certificate,
    Key,
    ClientCa,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "TLS certificate",
            Self::Key => "TLS key",
            Self::ClientCa => "TLS client CA",
        })
    }
}
