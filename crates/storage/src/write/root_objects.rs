//! Roots as objects of the storage, so that a lost index loses none.

use std::time::SystemTime;

use rns_cache::{RootRevision, parse_revisions, write_revisions};
use rns_formats::RootName;

use crate::objects::{ObjectError, ObjectKey, Objects};

/// The largest object of a root, in bytes: 100 revisions with 10,000 paths each.
const MAX_ROOT_OBJECT_BYTES: u64 = 128 << 20;

/// The object of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredRoot {
    /// Its revisions, the newest first.
    Revisions(Vec<RootRevision>),
    /// Nothing can be made of it.
    Unusable(String),
}

/// The number of a revision, and when it goes: the same revision that is set again lives longer.
pub(crate) const fn end(revision: &RootRevision) -> (u64, Option<SystemTime>) {
    (revision.revision, revision.expires)
}

/// Reads the object of a root. `None`: there is none.
///
/// # Errors
/// When the storage cannot be read.
pub(crate) async fn read_root(
    objects: &Objects,
    name: &RootName,
) -> Result<Option<StoredRoot>, ObjectError> {
    let Some(bytes) = objects.read_small(&ObjectKey::root(name), MAX_ROOT_OBJECT_BYTES).await?
    else {
        return Ok(None);
    };
    let revisions = parse_revisions(&bytes).map_err(|error| error.to_string());
    Ok(Some(revisions.map_or_else(StoredRoot::Unusable, StoredRoot::Revisions)))
}

/// Writes the object of a root; without revisions, removes it.
///
/// # Errors
/// When the storage cannot be written.
pub(crate) async fn write_root(
    objects: &Objects,
    name: &RootName,
    revisions: &[RootRevision],
) -> Result<(), ObjectError> {
    let key = ObjectKey::root(name);
    if revisions.is_empty() {
        return objects.delete(&key).await;
    }
    objects.write_small(&key, write_revisions(revisions)).await
}
