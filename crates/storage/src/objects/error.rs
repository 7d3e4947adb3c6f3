//! What can go wrong with a directory or bucket, by meaning.

use super::ObjectKey;

/// A failure of the storage. Absence is never an error.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The storage cannot be reached, or refuses access. A later try may succeed.
    #[error("the storage cannot {doing} {key}: {source}")]
    Unavailable {
        /// What was tried: "read", "write", …
        doing: &'static str,
        /// The object.
        key: String,
        /// Why not.
        source: object_store::Error,
    },
    /// A small object, such as a narinfo, is larger than one may be.
    #[error("{key} has {size} bytes, more than the {limit} that such an object may have")]
    TooLarge {
        /// The object.
        key: String,
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The configuration of the storage cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// A directory of this machine cannot be used.
    #[error("cannot {doing} {}: {source}", path.display())]
    Directory {
        /// What was tried.
        doing: &'static str,
        /// The directory or file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl ObjectError {
    pub(super) fn of(
        doing: &'static str,
        key: &ObjectKey,
    ) -> impl FnOnce(object_store::Error) -> Self {
        let key = key.to_string();
        move |source| Self::Unavailable { doing, key, source }
    }
}
