//! Why a collection can end early.

use std::time::Duration;

use rns_cache::CacheError;

use crate::{
    index::IndexError, maintenance::MaintenanceError, objects::ObjectError, write::RemovalError,
};

/// Why a collection ended early. Paths that it removed are removed whole; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Another process collects.
    #[error("another process is collecting this storage just now")]
    Busy,
    /// The index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The storage cannot be used.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// A path or root cannot be read.
    #[error(transparent)]
    Path(#[from] CacheError),
    /// The clock of this machine is not that of the database, by so much that a path would be taken for old that was just pushed,
    /// or the other way round.
    #[error(
        "the clock of this machine and that of the database differ by {} s, which is too much for a retention.min_age of \
         {} s: see that both follow the same time",
        .difference.as_secs(), .min_age.as_secs()
    )]
    Clock {
        /// In whole seconds.
        difference: Duration,
        /// As the policy says.
        min_age: Duration,
    },
    /// The storage answered too slowly.
    #[error("the storage removes objects too slowly: a request took longer than half a minute")]
    TooSlow,
    /// The process ends.
    #[error("the process ends")]
    ShuttingDown,
}

impl From<MaintenanceError> for CollectError {
    fn from(error: MaintenanceError) -> Self {
        match error {
            MaintenanceError::Objects(error) => Self::Objects(error),
            MaintenanceError::Index(error) => Self::Index(error),
            MaintenanceError::Path(error) => Self::Path(error),
        }
    }
}

impl From<RemovalError> for CollectError {
    fn from(error: RemovalError) -> Self {
        match error {
            RemovalError::ClaimEnded => Self::TooSlow,
            RemovalError::Objects(error) => Self::Objects(error),
            RemovalError::Index(error) => Self::Index(error),
        }
    }
}
