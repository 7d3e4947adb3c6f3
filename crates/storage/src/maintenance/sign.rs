//! Signing all stored paths: a new key for an existing cache.

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt as _;
use rns_formats::{NarInfo, SecretKey};

use super::{MaintenanceError, Progress, scan};
use crate::{objects::ObjectKey, read::StorageReader, write::Storage};

/// The counts of signed paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// Narinfos that have new signatures.
    pub signed: u64,
    /// Narinfos that had them.
    pub unchanged: u64,
    /// Narinfos that nothing can be made of.
    pub unusable: u64,
}

/// Adds the signatures of `keys` to every narinfo. Those that are there stay.
///
/// # Errors
/// When the storage cannot be used. Paths that were signed until then stay signed; the command can be repeated.
pub async fn sign(
    storage: &Storage,
    keys: &[SecretKey],
    progress: Progress<'_>,
) -> Result<Signed, MaintenanceError> {
    let reader = storage.reader();
    let mut done = Signed::default();
    let mut found = pin!(scan::narinfos(reader, progress));
    while let Some(found) = found.next().await {
        let found = found?;
        let stored = match found.narinfo {
            Ok(Some(stored)) => stored,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!("{error}");
                done.unusable += 1;
                continue;
            }
        };
        if signed(reader, &stored.narinfo, keys).is_none() {
            done.unchanged += 1;
            continue;
        }
        // Another server may add signatures at this moment, so the narinfo is read again under the lock.
        let _lock = storage.lock_path(&found.hash).await?;
        reader.forget(&found.hash);
        let Ok(Some(stored)) = reader.narinfo(found.hash).await else { continue };
        let Some(narinfo) = signed(reader, &stored.narinfo, keys) else { continue };
        let text = Bytes::from(narinfo.write(reader.shared_store_dir()));
        reader.objects().write_small(&ObjectKey::narinfo(&found.hash), text).await?;
        reader.forget(&found.hash);
        done.signed += 1;
    }
    Ok(done)
}

/// The narinfo with new signatures; `None` when it has them all.
fn signed(reader: &StorageReader, narinfo: &NarInfo, keys: &[SecretKey]) -> Option<NarInfo> {
    let fingerprint = narinfo.fingerprint(reader.shared_store_dir());
    let mut new: Vec<_> = keys.iter().map(|key| key.sign(&fingerprint)).collect();
    new.retain(|signature| !narinfo.signatures.contains(signature));
    (!new.is_empty()).then(|| {
        let mut narinfo = narinfo.clone();
        narinfo.signatures.extend(new);
        narinfo
    })
}
