//! Whether a content address is true: such a path needs no signature, so a false one is refused.

use rns_cache::PublishError;
use rns_formats::{NarInfo, NarName};
use rns_verify::narinfo::AddressClaim;

use super::storage::{Storage, not_stored};
use crate::{index::IndexedNar, objects::ObjectKey, verify::hash_stored};

/// Checks the content address of a narinfo, if it has one.
pub(super) async fn check(
    storage: &Storage,
    narinfo: &NarInfo,
    name: &NarName,
    nar: &IndexedNar,
) -> Result<(), PublishError> {
    let store_dir = storage.reader.shared_store_dir();
    let Some(claim) = AddressClaim::of(narinfo, store_dir, &nar.verified())? else { return Ok(()) };
    let (key, memory) = (ObjectKey::nar(name), &storage.decoder_memory);
    let found = hash_stored(storage.objects(), &key, name.compression, claim.wanted, memory).await;
    match found.map_err(not_stored)? {
        Some(found) => claim.settle(found),
        None => Err(PublishError::MissingNar { url: narinfo.url.clone() }),
    }
}
