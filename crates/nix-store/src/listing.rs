//! Listings: what is where in a NAR.

use std::sync::Arc;

use bytes::Bytes;
use rns_formats::{HashPart, NarListing, PathInfo};
use tokio::task::spawn_blocking;

use crate::{LocalStore, StoreError};

/// The listing of a store path's NAR.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What is registered of the path.
    pub info: Arc<PathInfo>,
    /// The contents of the `.ls` file.
    pub json: Bytes,
}

impl LocalStore {
    /// The listing of the path with this hash part. `None` when there is no such path, and when one of
    /// its file names or link targets is not UTF-8, which JSON cannot hold.
    ///
    /// # Errors
    /// As [`Self::nar`].
    pub async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, StoreError> {
        let Some(nar) = self.nar(hash, None).await? else { return Ok(None) };
        let written = spawn_blocking(move || {
            let info = Arc::clone(nar.info());
            match NarListing::to_json(nar.layout()) {
                Ok(json) => Some(Listing { info, json: json.into() }),
                Err(error) => {
                    tracing::debug!(path = %info.path, "it has no listing: {error}");
                    None
                }
            }
        });
        written.await.map_err(|_| StoreError::Stopping)
    }
}
