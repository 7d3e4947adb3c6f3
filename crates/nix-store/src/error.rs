//! What can go wrong with a store, by meaning.

use std::{io, path::PathBuf};

use rns_formats::StorePath;

/// A failure of the store. Absence is never an error: lookups answer `None`.
///
/// The texts are for the operator; nothing of them goes to a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot answer now: its database is missing, unreadable or locked. A later try may succeed.
    #[error("{what}; {remedy}")]
    Unavailable {
        /// What cannot be reached, and why.
        what: String,
        /// What the operator can do.
        remedy: &'static str,
    },
    /// The database contradicts itself or its format is unknown.
    #[error("the database row of {path} is not usable: {why}")]
    BadRow {
        /// The path as the row has it.
        path: String,
        /// What is wrong with the row.
        why: String,
    },
    /// A registered path whose files are not what was registered.
    #[error("{path} is damaged: {why}; `nix-store --verify --check-contents --repair` mends it")]
    Damaged {
        /// The path.
        path: StorePath,
        /// How it differs.
        why: String,
    },
    /// A path that was valid when it was asked for, and was collected since.
    #[error("{path} has been removed from the store meanwhile")]
    Collected {
        /// The path.
        path: StorePath,
    },
    /// The operating system refused something.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried: "open", "read", …
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The work was given up, because the server stops.
    #[error("given up: the server is stopping")]
    Stopping,
}

impl StoreError {
    /// Wraps an operating system error with what was being done.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// The same error for one more of several who are waiting.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Unavailable { what, remedy } => Self::Unavailable { what: what.clone(), remedy },
            Self::BadRow { path, why } => Self::BadRow { path: path.clone(), why: why.clone() },
            Self::Damaged { path, why } => Self::Damaged { path: path.clone(), why: why.clone() },
            Self::Collected { path } => Self::Collected { path: path.clone() },
            Self::Io { doing, path, source } => Self::Io {
                doing,
                path: path.clone(),
                source: source.raw_os_error().map_or_else(
                    || io::Error::new(source.kind(), source.to_string()),
                    io::Error::from_raw_os_error,
                ),
            },
            Self::Stopping => Self::Stopping,
        }
    }

    /// Whether the file in question is simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
