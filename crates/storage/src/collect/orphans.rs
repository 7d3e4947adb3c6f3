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
    sweep::{LOCK_TIMEOUT, MAX_PAUSE, Sweep},
};
use crate::{
    index::{Claim, PathState, Rows},
    objects::ObjectKey,
    retention::Retention,
    write::{STAGING_GRACE, Storage, remove_document},
};

/// Objects that are looked up at a time.
const BATCH_SIZE: usize = 500;

/// NARs without a row that one collection removes. The next one takes up the rest.
const MAX_NARS: usize = 100_000;

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

/// Removes NARs and listings after their grace. A narinfo that the index does not know is entered instead: clients may count on it.
/// So is a document, which goes like the others when nothing owns it. Returns whether every narinfo is known now.
pub(super) async fn remove(
    storage: &Storage,
    retention: &Retention,
    sweep: &mut Sweep<'_>,
) -> Result<bool, CollectError> {
    let before = untouched_since(retention);
    let objects = storage.reader().objects();
    objects.sweep(STAGING_GRACE).await?;
    let mut listed = objects.list(None);
    let (mut unusable, mut nars, mut batch) = (0_u64, Vec::new(), ListedObjects::default());
    while let Some((key, info)) = listed.try_next().await? {
        batch.add(key, info.modified, before);
        if batch.len() >= BATCH_SIZE {
            unusable += look_up(storage, std::mem::take(&mut batch), &mut nars, sweep).await?;
        }
    }
    unusable += look_up(storage, batch, &mut nars, sweep).await?;
    if unusable > 0 {
        // One of them may be the path of such a NAR, or of a document.
        tracing::warn!(
            "{unusable} narinfos cannot be used, so {} NARs that no path names stay, and logs and other documents: \
             `rust-nix-serve storage verify --repair` withdraws them",
            nars.len()
        );
        return Ok(false);
    }
    for key in nars {
        let claim = Claim::new();
        if let Some(claimed) = storage.index().claim_orphan(&key, &claim).await? {
            sweep.remove(Rows::Nars, vec![claimed], &claim).await?;
        }
    }
    Ok(true)
}

/// Enters unknown narinfos and documents, removes listings of paths that are not here, and adds unknown NARs to `nars`. Returns
/// how many narinfos cannot be used.
async fn look_up(
    storage: &Storage,
    found: ListedObjects,
    nars: &mut Vec<ObjectKey>,
    sweep: &mut Sweep<'_>,
) -> Result<u64, CollectError> {
    let (begun, index) = (Instant::now(), storage.index());
    let mut unusable = 0;
    let states = index.states(&found.narinfos).await?;
    for (hash, _) in found.narinfos.iter().zip(states).filter(|(_, state)| !is_here(*state)) {
        match storage.enter_stored(hash).await {
            Ok(true) => {}
            Ok(false) | Err(_) => unusable += 1,
        }
    }
    let states = index.states(&found.listings).await?;
    for (hash, _) in found.listings.iter().zip(states).filter(|(_, state)| !is_here(*state)) {
        remove_listing(storage, hash, sweep).await?;
    }
    for key in found.nars {
        if nars.len() < MAX_NARS && index.nar_state(&key).await?.is_none() {
            nars.push(key);
        }
    }
    documents::enter(storage, found.documents).await?;
    // As much time for others.
    sleep(begun.elapsed().min(MAX_PAUSE)).await;
    Ok(unusable)
}

/// Removes the listing of a path that is not here, unless one is pushed at this moment.
async fn remove_listing(
    storage: &Storage,
    hash: &HashPart,
    sweep: &mut Sweep<'_>,
) -> Result<(), CollectError> {
    let Ok(lock) = timeout(LOCK_TIMEOUT, storage.lock_path(hash)).await else { return Ok(()) };
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
