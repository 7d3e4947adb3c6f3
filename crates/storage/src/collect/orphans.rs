//! Objects that the index does not know: left by killed writers, or written past this program.

use std::time::{Instant, SystemTime};

use futures_util::TryStreamExt as _;
use rns_formats::HashPart;
use rns_verify::narinfo::name_in_url;
use tokio::time::{sleep, timeout};

use super::{
    document_kind::DocumentKind,
    documents::{self, untouched_since},
    error::CollectError,
    sweep::{CLAIM_LOCK_TIMEOUT, MAX_SWEEP_PAUSE, Sweep},
};
use crate::{
    index::{Claim, PathState, Unused},
    objects::ObjectKey,
    retention::Retention,
    write::{STAGING_GRACE, Storage, remove_document},
};

/// Objects that are looked up at a time.
const ORPHANS_BATCH: usize = 500;

/// NARs that are claimed by one transaction.
const ORPHAN_NARS_BATCH: usize = 200;

/// NARs without a row, and listings without a path, that one collection removes. The next one takes up the rest.
const MAX_ORPHANS: usize = 100_000;

/// Objects in a listing that the index may not know.
#[derive(Default)]
struct ListedObjects {
    narinfos: Vec<HashPart>,
    listings: Vec<HashPart>,
    nars: Vec<ObjectKey>,
    documents: Vec<(ObjectKey, SystemTime)>,
}

impl ListedObjects {
    fn len(&self) -> usize {
        self.narinfos.len() + self.listings.len() + self.nars.len() + self.documents.len()
    }

    /// Adds an object. Those that are younger than the grace are left out, apart from narinfos.
    fn add(&mut self, key: ObjectKey, modified: SystemTime, before: SystemTime) {
        let hash = |suffix: &str| HashPart::parse(key.as_str().strip_suffix(suffix)?).ok();
        if let Some(hash) = hash(".narinfo") {
            self.narinfos.push(hash);
            return;
        }
        if modified >= before {
            return;
        }
        match DocumentKind::of(&key) {
            Some(DocumentKind::Listing) => self.listings.extend(hash(".ls")),
            Some(
                DocumentKind::Log
                | DocumentKind::Realisation
                | DocumentKind::BuildTrace
                | DocumentKind::DebugInfo,
            ) => self.documents.push((key, modified)),
            None if name_in_url(key.as_str()).is_some_and(|nar| ObjectKey::nar(&nar) == key) => {
                self.nars.push(key);
            }
            None => {}
        }
    }
}

/// Objects of which the index knows nothing.
pub(super) struct Orphans {
    listings: Vec<HashPart>,
    nars: Vec<ObjectKey>,
    /// Narinfos of which nothing can be made.
    unusable: u64,
}

/// Lists the storage, and finds NARs and listings that belong to nothing. A narinfo that the index does not know is entered
/// instead: clients may count on it. So is a document, which goes like the others when nothing owns it. Others have half of the
/// time, unless room is needed: `is_urgent`.
pub(super) async fn find(
    storage: &Storage,
    retention: &Retention,
    is_urgent: bool,
) -> Result<Orphans, CollectError> {
    let before = untouched_since(retention);
    let objects = storage.reader().objects();
    objects.sweep(STAGING_GRACE).await?;
    let mut listed = objects.list(None);
    let mut batch = ListedObjects::default();
    let mut orphans = Orphans { listings: Vec::new(), nars: Vec::new(), unusable: 0 };
    while let Some((key, info)) = listed.try_next().await? {
        batch.add(key, info.modified, before);
        if batch.len() >= ORPHANS_BATCH {
            let begun = Instant::now();
            look_up(storage, std::mem::take(&mut batch), &mut orphans).await?;
            if !is_urgent {
                sleep(begun.elapsed().min(MAX_SWEEP_PAUSE)).await;
            }
        }
    }
    look_up(storage, batch, &mut orphans).await?;
    Ok(orphans)
}

/// Removes these objects, unless a pusher or reader has taken one up meanwhile. Returns whether the index knows every narinfo.
pub(super) async fn remove(
    storage: &Storage,
    Orphans { listings, nars, unusable }: Orphans,
    sweep: &mut Sweep<'_>,
) -> Result<bool, CollectError> {
    for hash in listings {
        remove_listing(storage, &hash, sweep).await?;
    }
    if unusable > 0 {
        // One of them may be the path of such a NAR, or of a document.
        tracing::warn!(
            "{unusable} narinfos cannot be used, so {} NARs that no path names stay, and logs and other documents: \
             `rust-nix-serve storage verify --repair` withdraws them",
            nars.len()
        );
        return Ok(false);
    }
    remove_nars(storage, &nars, sweep).await?;
    Ok(true)
}

async fn remove_nars(
    storage: &Storage,
    nars: &[ObjectKey],
    sweep: &mut Sweep<'_>,
) -> Result<(), CollectError> {
    for batch in nars.chunks(ORPHAN_NARS_BATCH) {
        let (begun, claim) = (Instant::now(), Claim::new());
        let claimed = storage.index().claim_orphans(batch, &claim).await?;
        sweep.unknown_nars(claimed, &claim).await?;
        // As much time for others.
        sleep(begun.elapsed().min(MAX_SWEEP_PAUSE)).await;
    }
    Ok(())
}

/// Removes NARs without a row, unless a pusher has taken one up meanwhile. Returns how many are gone: not all, where index or
/// storage cannot be used.
pub(crate) async fn remove_orphaned_nars(storage: &Storage, nars: &[ObjectKey]) -> u64 {
    let unused =
        Unused { untouched_since: SystemTime::UNIX_EPOCH, unread_since: SystemTime::UNIX_EPOCH };
    let mut sweep = Sweep::new(storage, unused);
    if let Err(error) = remove_nars(storage, nars, &mut sweep).await {
        tracing::error!("NARs that no path has are left: {error}");
    }
    sweep.swept().nars
}

/// Enters unknown narinfos and documents, and notes unknown listings and NARs.
async fn look_up(
    storage: &Storage,
    found: ListedObjects,
    orphans: &mut Orphans,
) -> Result<(), CollectError> {
    let index = storage.index();
    let states = index.states(&found.narinfos).await?;
    for (hash, _) in found.narinfos.iter().zip(states).filter(|(_, state)| !is_here(*state)) {
        match storage.enter_stored(hash).await {
            Ok(true) => {}
            // It may have been removed since it was listed.
            Ok(false) if is_gone(storage, hash).await? => {}
            Ok(false) | Err(_) => orphans.unusable += 1,
        }
    }
    let states = index.states(&found.listings).await?;
    for (hash, _) in found.listings.iter().zip(states).filter(|(_, state)| !is_here(*state)) {
        if orphans.listings.len() < MAX_ORPHANS {
            orphans.listings.push(*hash);
        }
    }
    let unknown = index.unknown_nars(found.nars).await?;
    orphans.nars.extend(unknown.into_iter().take(MAX_ORPHANS - orphans.nars.len()));
    documents::enter(storage, found.documents).await.map_err(CollectError::from)
}

async fn is_gone(storage: &Storage, hash: &HashPart) -> Result<bool, CollectError> {
    Ok(storage.reader().objects().head(&ObjectKey::narinfo(hash)).await?.is_none())
}

/// Removes the listing of a path that is not here, unless one is pushed at this moment.
async fn remove_listing(
    storage: &Storage,
    hash: &HashPart,
    sweep: &mut Sweep<'_>,
) -> Result<(), CollectError> {
    let Ok(lock) = timeout(CLAIM_LOCK_TIMEOUT, storage.lock_path(hash)).await else {
        return Ok(());
    };
    let _lock = lock?;
    let (objects, key) = (storage.reader().objects(), ObjectKey::listing(hash));
    let is_back = storage.index().states(&[*hash]).await?.into_iter().any(is_here);
    // A pusher may have written it anew since the storage was listed.
    let found = objects.head(&key).await?;
    if is_back || found.is_none_or(|found| !is_old(found.modified)) {
        return Ok(());
    }
    remove_document(storage, &key, &Claim::new()).await?;
    sweep.removed_listing();
    Ok(())
}

/// Whether an object was written long before a push that goes on now.
fn is_old(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age >= STAGING_GRACE)
}

/// Whether the index knows that something of a path is here.
const fn is_here(state: Option<PathState>) -> bool {
    use PathState::{Condemned, Deleting, Elsewhere, Published, Publishing};
    match state {
        Some(Publishing | Published | Condemned | Deleting) => true,
        Some(Elsewhere) | None => false,
    }
}
