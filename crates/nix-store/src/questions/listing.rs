//! Listings: the files of a NAR and their offsets.

use rns_cache::Listing;
use rns_formats::{HashPart, NarListing};
use tokio::task::spawn_blocking;

use crate::{CacheError, LocalStore, Nar};

impl LocalStore {
    /// The listing of the path with this hash part. `None` when there is no such path, and when one of
    /// its file names or link targets is not UTF-8, which JSON cannot hold.
    ///
    /// # Errors
    /// As [`Self::nar`].
    pub async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        match self.nar(hash, None).await? {
            Some(nar) => listing_of(nar).await,
            None => Ok(None),
        }
    }
}

/// The listing of a NAR.
pub(crate) async fn listing_of(nar: Nar) -> Result<Option<Listing>, CacheError> {
    let written = spawn_blocking(move || {
        let info = nar.info();
        match NarListing::to_json(nar.layout()) {
            Ok(json) => {
                let etag = format!("ls-{}", info.nar_hash.to_nix32());
                Some(Listing { json: json.into(), etag })
            }
            Err(error) => {
                tracing::debug!(path = %info.path, "it has no listing: {error}");
                None
            }
        }
    });
    written.await.map_err(|_| CacheError::ShuttingDown)
}
