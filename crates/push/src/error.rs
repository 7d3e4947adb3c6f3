//! Failures of single paths, and of a whole push.

use std::io::ErrorKind;

use rns_cache::{CacheError, PublishError};
use rns_client::{RequestError, RequestFailure};
use rns_formats::StorePath;
use rns_storage::objects::ObjectError;

/// The reason why a path, or a whole push, did not get through.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The local store cannot be read.
    #[error(transparent)]
    Store(#[from] CacheError),
    /// The path is not valid in the local store, or was deleted meanwhile.
    #[error("{0} is not valid in this store")]
    NotValid(StorePath),
    /// A path that it refers to did not get through.
    #[error("{0}, which it refers to, could not be pushed")]
    Reference(StorePath),
    /// It was not tried, since nothing got through any more.
    #[error("not tried, since nothing gets through")]
    NotTried,
    /// The cache, or the way to it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The directory or bucket.
    #[error(transparent)]
    Storage(#[from] ObjectError),
    /// The directory with an index refuses it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The path is there, but not a document about it.
    #[error("it is there, but not its {document}: {source}")]
    Document {
        /// The document.
        document: String,
        /// The reason.
        source: Box<Self>,
    },
    /// Memory or disk for packing.
    #[error("cannot pack it: {0}")]
    Pack(std::io::Error),
}

impl PushError {
    /// Returns true if nothing at all can be pushed now, so that there is no point in trying the next path.
    #[must_use]
    pub fn ends_all(&self) -> bool {
        match self {
            Self::Request(error) => {
                matches!(
                    error.failure,
                    RequestFailure::Unreachable(_)
                        | RequestFailure::Unauthorised(_)
                        | RequestFailure::WrongAddress(_)
                )
            }
            Self::Publish(PublishError::Full) => true,
            Self::Storage(error) => error.is_unreachable(),
            // A place that takes no documents may take paths.
            Self::Document { source, .. } => match &**source {
                Self::Request(RequestError {
                    failure: RequestFailure::WrongAddress(_), ..
                }) => false,
                source => source.ends_all(),
            },
            _ => false,
        }
    }

    /// The next step of a user, where there is one.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Request(error) => error.failure.remedy(),
            Self::Pack(error) => match error.kind() {
                ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem => {
                    Some("TMPDIR names the directory for packed NARs: one that exists, with room")
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns true if the target cannot be reached.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Request(error) => error.is_unreachable(),
            Self::Storage(error) => error.is_unreachable(),
            Self::Document { source, .. } => source.is_unreachable(),
            _ => false,
        }
    }

    /// Returns true for a document that the target does not take, or that cannot be made: another try changes nothing.
    pub(crate) fn is_refused_document(&self) -> bool {
        let Self::Document { source, .. } = self else { return false };
        match &**source {
            Self::Request(error) => !error.failure.is_transient() && !self.ends_all(),
            Self::Publish(error) => match error {
                PublishError::Displaced
                | PublishError::Stalled
                | PublishError::Full
                | PublishError::Cache(_) => false,
                PublishError::Malformed { .. }
                | PublishError::Mismatch { .. }
                | PublishError::TooLarge { .. }
                | PublishError::MissingNar { .. }
                | PublishError::MissingReferences(_)
                | PublishError::Unsigned { .. }
                | PublishError::Untrusted { .. }
                | PublishError::Unsupported { .. }
                | PublishError::NotAllowed { .. }
                | PublishError::Conflict { .. }
                | PublishError::Needed(_) => true,
            },
            Self::Store(_) | Self::NotValid(_) => true,
            Self::Reference(_)
            | Self::NotTried
            | Self::Storage(_)
            | Self::Document { .. }
            | Self::Pack(_) => false,
        }
    }

    /// Returns true if it may get through in another round.
    pub(crate) const fn is_worth_a_round(&self) -> bool {
        match self {
            Self::Request(error) => {
                // Its references may have been collected between question and upload.
                error.failure.is_transient()
                    || matches!(error.failure, RequestFailure::Refused { status: 409, .. })
            }
            Self::Publish(error) => {
                matches!(
                    error,
                    PublishError::MissingNar { .. } | PublishError::MissingReferences(_)
                )
            }
            Self::Reference(_) => true,
            Self::Document { source, .. } => source.is_worth_a_round(),
            Self::NotTried
            | Self::Store(_)
            | Self::NotValid(_)
            | Self::Storage(_)
            | Self::Pack(_) => false,
        }
    }
}
