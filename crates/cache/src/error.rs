//! Errors of a cache, by meaning.

use std::{io, path::Path};

use rns_formats::StorePath;

/// A failure of a cache. Absence is never an error: questions are answered with `None`.
///
/// The texts are for the operator; nothing of them goes to a client.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The cache cannot answer now: its database, daemon or server is missing, unreachable or busy. A later try
    /// may succeed. The backend has told the operator when its state changed.
    #[error("{what}; {remedy}")]
    Unavailable {
        /// The part that cannot be reached, and why.
        what: String,
        /// The operator's remedy.
        remedy: &'static str,
    },
    /// An object that makes no sense: a database row, a stored narinfo, a log that cannot be unpacked. It is
    /// served to no client. The caller has to tell the operator.
    #[error("{object} is not usable: {why}")]
    Invalid {
        /// Which object.
        object: String,
        /// The fault in it.
        why: String,
    },
    /// A store path whose contents are not the registered ones. The backend has told the operator.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The path.
        path: StorePath,
        /// The difference, and a remedy for the operator.
        why: String,
    },
    /// It was removed after the question for it.
    #[error("{object} has been removed meanwhile")]
    Gone {
        /// The removed object.
        object: String,
    },
    /// The operating system or the network refused something. The caller has to tell the operator.
    #[error("cannot {doing} {object}: {source}")]
    Io {
        /// The operation: "open", "read", …
        doing: &'static str,
        /// The file, or the name of the object.
        object: String,
        /// Why not.
        source: io::Error,
    },
    /// The work was given up, because the server shuts down.
    #[error("given up: the server is shutting down")]
    ShuttingDown,
}

impl CacheError {
    /// Wraps an operating system error with the operation on the file.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, object: path.as_ref().display().to_string(), source }
    }

    /// The same error for one more of several who wait for the same thing.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match self {
            Self::Unavailable { what, remedy } => Self::Unavailable { what: what.clone(), remedy },
            Self::Invalid { object, why } => {
                Self::Invalid { object: object.clone(), why: why.clone() }
            }
            Self::Damaged { path, why } => Self::Damaged { path: path.clone(), why: why.clone() },
            Self::Gone { object } => Self::Gone { object: object.clone() },
            Self::Io { doing, object, source } => Self::Io {
                doing,
                object: object.clone(),
                source: source.raw_os_error().map_or_else(
                    || io::Error::new(source.kind(), source.to_string()),
                    io::Error::from_raw_os_error,
                ),
            },
            Self::ShuttingDown => Self::ShuttingDown,
        }
    }

    /// Whether the file or object in question is simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
