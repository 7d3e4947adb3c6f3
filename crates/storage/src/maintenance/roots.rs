//! Roots of a storage: taken up by a new index, and compared with it.

use std::{collections::BTreeSet, pin::pin, time::SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rns_cache::RootRevision;
use rns_formats::RootName;

use super::{MaintenanceError, faults::FaultKind};
use crate::{
    objects::{ObjectKey, ROOTS},
    write::{MAX_NEEDED, Presence, Storage, StoredRoot, end, read_root, write_root},
};

/// Roots that are asked for at a time.
const ROOTS_BATCH: usize = 256;

/// Objects of roots that are read at the same time.
const MAX_ROOT_READS: usize = 16;

/// Enters the roots of the storage into the index. Returns how many there are, and how many nothing can be made of.
pub(super) async fn index_roots(storage: &Storage) -> Result<(u64, u64), MaintenanceError> {
    let (mut taken, mut unusable) = (0, 0);
    for name in stored_names(storage).await? {
        let _lock = storage.lock_root(&name).await?;
        match read_root(storage.reader().objects(), &name).await? {
            Some(StoredRoot::Revisions(revisions)) => {
                storage.index().import_root(&name, &live(revisions)).await?;
                taken += 1;
            }
            Some(StoredRoot::Unusable(why)) => {
                tracing::warn!("the root {name} is not usable: {why}");
                unusable += 1;
            }
            None => {}
        }
    }
    Ok((taken, unusable))
}

/// Finds a root of the storage that the index does not know. Roots that are being set or deleted are waited for.
///
/// # Errors
/// When storage or index cannot be used.
pub async fn unknown_root(storage: &Storage) -> Result<Option<RootName>, MaintenanceError> {
    let (objects, index) = (storage.reader().objects(), storage.index());
    for name in stored_names(storage).await? {
        if !index.root(&name).await?.is_empty() {
            continue;
        }
        let _lock = storage.lock_root(&name).await?;
        let stored = match read_root(objects, &name).await? {
            Some(StoredRoot::Revisions(revisions)) => live(revisions),
            // `verify` reports it, and nothing can be kept by it.
            Some(StoredRoot::Unusable(_)) | None => Vec::new(),
        };
        if !stored.is_empty() && index.root(&name).await?.is_empty() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Takes up the revisions of a root that lie in the storage and that the index, which knows the root, does not have: of a server
/// that died over the root, or since the backup that the index was restored from. Returns how many roots had some.
pub(crate) async fn take_up_revisions(storage: &Storage) -> Result<u64, MaintenanceError> {
    let asked = stream::iter(stored_names(storage).await?).map(|name| async move {
        Ok::<_, MaintenanceError>(is_behind(storage, &name).await?.then_some(name))
    });
    let behind: Vec<_> = asked.buffer_unordered(MAX_ROOT_READS).try_collect().await?;
    let mut taken = 0;
    for name in behind.into_iter().flatten() {
        let _lock = storage.lock_root(&name).await?;
        // It may have been set, and not yet registered.
        if is_behind(storage, &name).await?
            && let Some(StoredRoot::Revisions(revisions)) =
                read_root(storage.reader().objects(), &name).await?
        {
            storage.index().import_root(&name, &live(revisions)).await?;
            taken += 1;
        }
    }
    Ok(taken)
}

/// Whether the storage has a revision of a root that the index does not have.
async fn is_behind(storage: &Storage, name: &RootName) -> Result<bool, MaintenanceError> {
    let stored = match read_root(storage.reader().objects(), name).await? {
        Some(StoredRoot::Revisions(revisions)) => live(revisions),
        Some(StoredRoot::Unusable(_)) | None => return Ok(false),
    };
    Ok(lacks(&storage.index().root(name).await?, &stored))
}

/// Whether some of the stored revisions are not indexed. One that was set again has the same number and another end.
fn lacks(indexed: &[RootRevision], stored: &[RootRevision]) -> bool {
    let indexed: BTreeSet<_> = indexed.iter().map(end).collect();
    !stored.iter().map(end).all(|end| indexed.contains(&end))
}

async fn stored_names(storage: &Storage) -> Result<BTreeSet<RootName>, MaintenanceError> {
    let mut names = BTreeSet::new();
    let mut listed = pin!(storage.reader().objects().list(Some(ROOTS)));
    while let Some(listed) = listed.next().await {
        let (key, _) = listed?;
        names.extend(key.root_name());
    }
    Ok(names)
}

fn live(mut revisions: Vec<RootRevision>) -> Vec<RootRevision> {
    let now = SystemTime::now();
    revisions.retain(|revision| !revision.has_expired(now));
    revisions
}

/// Something that is wrong with a root, and whether it was mended.
pub(super) struct RootFault {
    pub(super) key: ObjectKey,
    pub(super) kind: FaultKind,
    pub(super) is_mended: bool,
}

/// Compares roots in the storage and in the index. With `repair`, each gets the roots that only the other has.
pub(super) async fn verify_roots(
    storage: &Storage,
    repair: bool,
) -> Result<Vec<RootFault>, MaintenanceError> {
    let mut names = stored_names(storage).await?;
    let mut after: Option<RootName> = None;
    loop {
        let known = storage.index().roots(after.as_ref(), ROOTS_BATCH, 0).await?;
        let Some(last) = known.last() else { break };
        after = Some(last.name.clone());
        names.extend(known.into_iter().map(|root| root.name));
    }
    let mut faults = Vec::new();
    for name in names {
        let kinds = verify_root(storage, &name, repair).await?;
        faults.extend(kinds.into_iter().map(|(kind, is_mended)| RootFault {
            key: ObjectKey::root(&name),
            kind,
            is_mended,
        }));
    }
    Ok(faults)
}

async fn verify_root(
    storage: &Storage,
    name: &RootName,
    repair: bool,
) -> Result<Vec<(FaultKind, bool)>, MaintenanceError> {
    let (objects, index) = (storage.reader().objects(), storage.index());
    let _lock = storage.lock_root(name).await?;
    let stored = match read_root(objects, name).await? {
        Some(StoredRoot::Revisions(revisions)) => live(revisions),
        Some(StoredRoot::Unusable(why)) => {
            return Ok(vec![(FaultKind::UnusableRoot(why), false)]);
        }
        None => Vec::new(),
    };
    let indexed = index.root(name).await?;
    let numbers = |revisions: &[RootRevision]| -> BTreeSet<u64> {
        revisions.iter().map(|revision| revision.revision).collect()
    };
    let (in_storage, in_index) = (numbers(&stored), numbers(&indexed));
    let mut faults = Vec::new();
    if lacks(&indexed, &stored) {
        faults.push((FaultKind::RootNotIndexed, repair));
        if repair {
            index.import_root(name, &stored).await?;
        }
    }
    let mut all = stored;
    if !in_index.is_subset(&in_storage) {
        faults.push((FaultKind::RootOnlyIndexed, repair));
        all.extend(indexed.into_iter().filter(|one| !in_storage.contains(&one.revision)));
        all.sort_by_key(|revision| std::cmp::Reverse(revision.revision));
        if repair {
            // Nothing is let go that was to be kept.
            write_root(objects, name, &all).await?;
        }
    }
    let hashes: BTreeSet<_> =
        all.iter().flat_map(|revision| &revision.paths).map(|path| path.hash_part()).collect();
    let hashes: Vec<_> = hashes.into_iter().collect();
    for absent in index.absent_of_closure(&hashes, MAX_NEEDED).await? {
        if matches!(storage.presence_elsewhere(&absent.hash).await, Presence::Missing)
            && matches!(storage.reader().narinfo(absent.hash).await, Ok(None))
        {
            let path = absent.path.map_or_else(|| absent.hash.to_string(), |path| path.to_string());
            faults.push((FaultKind::RootMissesPath(path), false));
        }
    }
    Ok(faults)
}
