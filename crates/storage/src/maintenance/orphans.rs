//! NARs that no path has and that no push knows of.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use rns_verify::narinfo::name_in_url;

use super::MaintenanceError;
use crate::{
    index::{Claim, Exclusive, Rows},
    objects::ObjectKey,
    write::{RemovalError, STAGING_GRACE, Storage, remove_nar},
};

/// The folder of NARs.
const NARS: &str = "nar";

/// Finds NARs of the storage that the index does not know and no narinfo names, and that were written long before a push that goes
/// on now. Those that were pushed and never got a narinfo are known to the index, and go with a collection.
pub(super) async fn orphaned_nars(
    storage: &Storage,
    named: &BTreeSet<ObjectKey>,
) -> Result<Vec<ObjectKey>, MaintenanceError> {
    let mut orphans = Vec::new();
    let mut listed = storage.reader().objects().list(Some(NARS));
    while let Some((key, info)) = listed.try_next().await? {
        let is_old = info.modified.elapsed().is_ok_and(|age| age >= STAGING_GRACE);
        let is_nar = name_in_url(key.as_str()).is_some_and(|name| ObjectKey::nar(&name) == key);
        if is_old
            && is_nar
            && !named.contains(&key)
            && storage.index().nar_state(&key).await?.is_none()
        {
            orphans.push(key);
        }
    }
    Ok(orphans)
}

/// Removes such a NAR, unless a pusher has taken it up meanwhile.
pub(super) async fn remove_orphan(storage: &Storage, key: &ObjectKey) -> Result<(), RemovalError> {
    let (index, claim) = (storage.index(), Claim::new());
    if let Some(claimed) = index.claim_orphan(key, &claim).await? {
        // One that stores it has taken the claim away before it lets go of the lock.
        let _lock = index.lock(Exclusive::Nar(key)).await?;
        if !index.holds(Rows::Nars, claimed.id, &claim).await? {
            return Ok(());
        }
        // Where that fails the claim ends by itself, and the next collection takes it up.
        remove_nar(storage, key, &claim).await?;
        index.end_claims(Rows::Nars, &[claimed.id], &claim).await?;
    }
    Ok(())
}
