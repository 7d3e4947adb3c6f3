//! Errors of a directory or bucket, by meaning.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

use super::ObjectKey;

/// A failure of the storage. Absence is never an error.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The storage cannot be reached, or refuses access. A later try may succeed.
    #[error("the storage cannot {doing} {key}: {}", reason(source))]
    Unavailable {
        /// The operation: "read", "write", …
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
    /// The directory or bucket is not there, or holds no binary cache: a disk that is not mounted, a wrong name.
    #[error("{storage} holds no binary cache: {why}")]
    NotACache {
        /// The storage.
        storage: String,
        /// The missing part.
        why: &'static str,
    },
    /// A small object is stored with a `Content-Encoding` that cannot be undone.
    #[error("{key} cannot be decompressed: {why}")]
    Encoding {
        /// The object.
        key: String,
        /// Why not.
        why: String,
    },
    /// The configuration of the storage cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// A directory of this machine cannot be used.
    #[error("cannot {doing} {}: {source}", path.display())]
    Directory {
        /// The operation.
        doing: &'static str,
        /// The directory or file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Paths of the service that gives the machines of a cloud their credentials. It is asked where there are no others.
const ROLE_SERVICE: [&str; 2] = ["/latest/api/token", "/latest/meta-data/"];

/// The reason for a failure. The library says only which service it could not ask for credentials.
fn reason(source: &object_store::Error) -> String {
    let text = source.to_string();
    if is_about_credentials(&text) {
        return "there are no credentials for the bucket: set AWS_ACCESS_KEY_ID and \
                AWS_SECRET_ACCESS_KEY, or have AWS_SHARED_CREDENTIALS_FILE name a file with them"
            .to_owned();
    }
    text
}

fn is_about_credentials(text: &str) -> bool {
    ROLE_SERVICE.iter().any(|path| text.contains(path))
}

impl ObjectError {
    /// Whether the place where something should be written is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.causes().any(|cause| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
                matches!(
                    error.kind(),
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
                )
            })
        })
    }

    /// Whether no connection to the storage could be made, so that other requests fail the same way.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        let fault = |cause: &(dyn Error + 'static)| Some(cause.downcast_ref::<HttpError>()?.kind());
        let is_of_role = self.causes().any(|cause| is_about_credentials(&cause.to_string()));
        !is_of_role && self.causes().any(|cause| fault(cause) == Some(HttpErrorKind::Connect))
    }

    /// The error of a request, and the errors that caused it.
    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first = match self {
            Self::Unavailable { source, .. } => Some(source as &(dyn Error + 'static)),
            _ => None,
        };
        std::iter::successors(first, |error: &&(dyn Error + 'static)| (*error).source())
    }

    pub(super) fn of(
        doing: &'static str,
        key: &ObjectKey,
    ) -> impl FnOnce(object_store::Error) -> Self {
        let key = key.to_string();
        move |source| Self::Unavailable { doing, key, source }
    }
}
