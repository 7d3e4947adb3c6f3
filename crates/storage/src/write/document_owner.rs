//! The owner of a stored document, as the document says itself.

use rns_cache::{BinaryCache as _, CacheError};
use rns_formats::{BuildId, DrvOutputId, StorePath, StorePathName};
use rns_verify::narinfo::name_in_url;

use crate::{collect::DocumentKind, index::DocumentOwner, objects::ObjectKey, read::StorageReader};

/// The owner of debug information that names this archive.
pub(crate) fn archive_owner(archive: &str) -> DocumentOwner {
    let name = archive.strip_prefix("../").and_then(name_in_url);
    name.map_or(DocumentOwner::Nothing, |name| DocumentOwner::Nar(ObjectKey::nar(&name)))
}

/// The owner of a stored document. `None`: it is gone, cannot be read now, or its name is not one of this program.
pub(crate) async fn owner_of(reader: &StorageReader, key: &ObjectKey) -> Option<DocumentOwner> {
    let name = key.as_str();
    let entry = |folder: &str| name.strip_prefix(folder)?.strip_suffix(".doi");
    let of_path = |path: StorePath| DocumentOwner::Path(path.hash_part());
    let found = match DocumentKind::of(key)? {
        DocumentKind::Listing => return None,
        DocumentKind::Log => {
            let derivation = StorePath::parse(name.strip_prefix("log/")?).ok()?;
            return Some(DocumentOwner::Derivation(derivation));
        }
        DocumentKind::Realisation => {
            let id = DrvOutputId::parse(entry("realisations/")?).ok()?;
            reader.realisation(&id).await.map(|found| found.map(|found| of_path(found.out_path)))
        }
        DocumentKind::BuildTrace => {
            let (derivation, output) = entry("build-trace-v2/")?.split_once('/')?;
            let derivation = StorePath::parse(derivation).ok()?;
            let output = StorePathName::parse(output).ok()?;
            let found = reader.build_trace(&derivation, output.as_str()).await;
            found.map(|found| found.map(|found| of_path(found.out_path)))
        }
        DocumentKind::DebugInfo => {
            // Older caches have it without the suffix.
            let id = name.strip_prefix("debuginfo/")?;
            BuildId::parse(id.strip_suffix(".debug").unwrap_or(id))?;
            let found = reader.debug_info_at(key).await;
            found.map(|found| found.map(|info| archive_owner(&info.archive)))
        }
    };
    match found {
        Ok(owner) => owner,
        Err(CacheError::Invalid { .. }) => Some(DocumentOwner::Nothing),
        Err(error) => {
            tracing::warn!("{key} stays, since its owner is not known: {error}");
            None
        }
    }
}
