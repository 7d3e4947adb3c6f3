//! Objects that the index does not know: left by killed writers, or written past this program.

use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use rns_formats::HashPart;
use rns_verify::narinfo::name_in_url;

use super::{error::CollectError, sweep::Sweep};
use crate::{
    index::{Claim, Rows},
    objects::ObjectKey,
    retention::Retention,
    write::{STAGING_GRACE, Storage},
};

/// Objects that are looked up at a time.
const BATCH: usize = 500;

/// Objects in a listing that the index may not know.
#[derive(Default)]
struct Found {
    narinfos: Vec<HashPart>,
    listings: Vec<HashPart>,
    nars: Vec<ObjectKey>,
}

/// Removes them after their grace. A narinfo that the index does not know is entered instead: clients may count on it.
pub(super) async fn remove(
    storage: &Storage,
    retention: &Retention,
    sweep: &mut Sweep<'_>,
) -> Result<(), CollectError> {
    if retention.keeps_everything() {
        return Ok(());
    }
    let grace = retention.min_age.max(STAGING_GRACE);
    let before = SystemTime::now().checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH);
    let objects = storage.reader().objects();
    objects.sweep(STAGING_GRACE).await?;
    let mut listed = objects.list(None);
    let (mut unusable, mut nars, mut batch) = (0_u64, Vec::new(), Found::default());
    while let Some((key, info)) = listed.try_next().await? {
        let name = key.as_str();
        let hash = |suffix: &str| HashPart::parse(name.strip_suffix(suffix)?).ok();
        let is_old = info.modified < before;
        if let Some(hash) = hash(".narinfo") {
            batch.narinfos.push(hash);
        } else if let Some(hash) = hash(".ls").filter(|_| is_old) {
            batch.listings.push(hash);
        } else if is_old && name_in_url(name).is_some_and(|nar| ObjectKey::nar(&nar) == key) {
            batch.nars.push(key);
        }
        if batch.narinfos.len() + batch.listings.len() + batch.nars.len() >= BATCH {
            unusable += look_up(storage, std::mem::take(&mut batch), &mut nars).await?;
        }
    }
    unusable += look_up(storage, batch, &mut nars).await?;
    if unusable > 0 {
        // One of them may be the path of such a NAR.
        tracing::warn!(
            "{unusable} narinfos cannot be used, so {} NARs that no path names stay: \
             `rust-nix-serve storage verify --repair` withdraws them",
            nars.len()
        );
        return Ok(());
    }
    for key in nars {
        let claim = Claim::new();
        if let Some(claimed) = storage.index().claim_orphan(&key, &claim).await? {
            sweep.remove(Rows::Nars, vec![claimed], &claim).await?;
        }
    }
    Ok(())
}

/// Enters unknown narinfos, removes listings of paths that are not here, and adds unknown NARs to `nars`. Returns how many
/// narinfos cannot be used.
async fn look_up(
    storage: &Storage,
    found: Found,
    nars: &mut Vec<ObjectKey>,
) -> Result<u64, CollectError> {
    let index = storage.index();
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
        // Its path may have been pushed since: then the listing stays with it.
        if index.states(&[*hash]).await?.iter().all(|state| !is_here(*state)) {
            storage.reader().objects().delete(&ObjectKey::listing(hash)).await?;
        }
    }
    for key in found.nars {
        if index.nar_state(&key).await?.is_none() {
            nars.push(key);
        }
    }
    Ok(unusable)
}

/// Whether the index knows that something of a path is here.
const fn is_here(state: Option<crate::index::PathState>) -> bool {
    use crate::index::PathState::{Condemned, Deleting, Elsewhere, Published, Publishing};
    match state {
        Some(Publishing | Published | Condemned | Deleting) => true,
        Some(Elsewhere) | None => false,
    }
}
