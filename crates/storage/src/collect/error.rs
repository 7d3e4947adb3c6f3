//! Why a collection can end early.

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
