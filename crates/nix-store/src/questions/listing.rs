//! Listings: the files of a NAR and their offsets.

use rns_cache::Listing;
use rns_formats::NarListing;
use tokio::task::spawn_blocking;

use crate::{CacheError, Nar};

/// The listing of a NAR. `None` when one of its file names or link targets is not UTF-8, which JSON cannot hold.
///
/// # Errors
/// `ShuttingDown` only.
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
