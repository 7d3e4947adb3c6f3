//! Signing what is stored: a new key for a cache that is there.

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt as _;
use rns_formats::SecretKey;

use super::{MaintenanceError, Progress, scan};
use crate::{objects::ObjectKey, read::StorageReader};

/// What was signed.
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
/// When the storage cannot be used. What was signed until then stays signed; the command can be repeated.
pub async fn sign(
    reader: &StorageReader,
    keys: &[SecretKey],
    progress: Progress<'_>,
) -> Result<Signed, MaintenanceError> {
    let store_dir = reader.shared_store_dir();
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
        let mut narinfo = stored.narinfo.clone();
        let fingerprint = narinfo.fingerprint(store_dir);
        for key in keys {
            let signature = key.sign(&fingerprint);
            if !narinfo.signatures.contains(&signature) {
                narinfo.signatures.push(signature);
            }
        }
        if narinfo.signatures.len() == stored.narinfo.signatures.len() {
            done.unchanged += 1;
            continue;
        }
        let text = Bytes::from(narinfo.write(store_dir));
        reader.objects().write_small(&ObjectKey::narinfo(&found.hash), text).await?;
        reader.forget(&found.hash);
        done.signed += 1;
    }
    Ok(done)
}
