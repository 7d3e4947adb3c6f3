//! NARs that no path has and that no push knows of.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use rns_verify::narinfo::name_in_url;

use super::MaintenanceError;
use crate::{
    objects::{NARS, ObjectKey},
    write::{STAGING_GRACE, Storage},
};

/// NARs that are looked up by one statement.
const NAR_LOOKUP_BATCH: usize = 500;

/// Finds NARs of the storage that the index does not know and no narinfo names, and that were written long before a push that goes
/// on now. Those that were pushed and never got a narinfo are known to the index, and go with a collection.
pub(super) async fn orphaned_nars(
    storage: &Storage,
    named: &BTreeSet<ObjectKey>,
) -> Result<Vec<ObjectKey>, MaintenanceError> {
    let (mut orphans, mut batch) = (Vec::new(), Vec::new());
    let mut listed = storage.reader().objects().list(Some(NARS));
    while let Some((key, info)) = listed.try_next().await? {
        let is_old = info.modified.elapsed().is_ok_and(|age| age >= STAGING_GRACE);
        let is_nar = name_in_url(key.as_str()).is_some_and(|name| ObjectKey::nar(&name) == key);
        if is_old && is_nar && !named.contains(&key) {
            batch.push(key);
        }
        if batch.len() == NAR_LOOKUP_BATCH {
            orphans.extend(storage.index().unknown_nars(std::mem::take(&mut batch)).await?);
        }
    }
    orphans.extend(storage.index().unknown_nars(batch).await?);
    Ok(orphans)
}
