//! Signing all stored paths: a new key for an existing cache.

use std::{
    future::ready,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use rns_cache::CacheError;
use rns_formats::{NarInfo, SecretKey};

use super::{
    MaintenanceError, ProgressObserver,
    scan::{self, ScannedNarInfo},
};
use crate::{
    objects::ObjectKey,
    read::{StorageReader, StoredNarInfo},
    write::Storage,
};

/// Narinfos that are written at the same time: a bucket takes some ten milliseconds for each.
const MAX_WRITES: usize = 8;

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
    progress: ProgressObserver<'_>,
) -> Result<Signed, MaintenanceError> {
    let (mut done, mut failure) = (Signed::default(), None);
    let is_cut = AtomicBool::new(false);
    let signing = scan::narinfos(storage.reader(), progress)
        .take_while(|_| ready(!is_cut.load(Ordering::Relaxed)))
        .map(|found| async move { sign_one(storage, keys, found?).await })
        .buffer_unordered(MAX_WRITES);
    let mut signing = pin!(signing);
    while let Some(outcome) = signing.next().await {
        match outcome {
            Ok(SignOutcome::Signed) => done.signed += 1,
            Ok(SignOutcome::Unchanged) => done.unchanged += 1,
            Ok(SignOutcome::Unusable) => done.unusable += 1,
            Ok(SignOutcome::Gone) => {}
            // A narinfo that is being written holds the lock of its path until it is.
            Err(error) => {
                is_cut.store(true, Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or(Ok(done), Err)
}

/// The outcome for one path.
enum SignOutcome {
    Signed,
    Unchanged,
    /// Nothing can be made of its narinfo, or it cannot be read now.
    Unusable,
    /// It was removed meanwhile.
    Gone,
}

async fn sign_one(
    storage: &Storage,
    keys: &[SecretKey],
    found: ScannedNarInfo,
) -> Result<SignOutcome, MaintenanceError> {
    let (reader, hash) = (storage.reader(), found.hash);
    match readable(found.narinfo) {
        Ok(stored) if signed(reader, &stored.narinfo, keys).is_none() => {
            return Ok(SignOutcome::Unchanged);
        }
        Ok(_) => {}
        Err(outcome) => return Ok(outcome),
    }
    // Another server may add signatures at this moment, so the narinfo is read again under the lock.
    let _lock = storage.lock_path(&hash).await?;
    reader.forget(&hash);
    let stored = match readable(reader.narinfo(hash).await) {
        Ok(stored) => stored,
        Err(outcome) => return Ok(outcome),
    };
    let Some(narinfo) = signed(reader, &stored.narinfo, keys) else {
        return Ok(SignOutcome::Unchanged);
    };
    let text = Bytes::from(narinfo.write(reader.shared_store_dir()));
    reader.objects().write_small(&ObjectKey::narinfo(&hash), text).await?;
    reader.forget(&hash);
    Ok(SignOutcome::Signed)
}

fn readable(
    found: Result<Option<Arc<StoredNarInfo>>, CacheError>,
) -> Result<Arc<StoredNarInfo>, SignOutcome> {
    match found {
        Ok(Some(stored)) => Ok(stored),
        Ok(None) => Err(SignOutcome::Gone),
        Err(error) => {
            tracing::warn!("{error}");
            Err(SignOutcome::Unusable)
        }
    }
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
