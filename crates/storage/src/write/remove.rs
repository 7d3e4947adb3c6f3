//! Removes claimed paths: the narinfo first, then the objects beside it, and the NAR by a claim of its own.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use rns_cache::{CacheError, PublishError, Pusher};
use rns_formats::HashPart;
use rns_verify::narinfo::name_in_url;
use tokio::time::{sleep, timeout};

use super::storage::{Storage, index_unavailable};
use crate::{
    index::{
        Begun, Claim, ClaimOutcome, Claimed, DocumentOwner, IndexError, IndexLock, PathState,
        RemovalOrder, RowKind, StoredDocument,
    },
    objects::{ObjectError, ObjectKey},
    read::unavailable,
};

/// How long a request may take that removes an object: far less than a claim lasts, so that none is carried out after it.
pub(crate) const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a pusher waits for a removal: longer than the claim of a collector that has died.
const MAX_REMOVAL_WAIT: Duration = Duration::from_secs(50);

/// How often it looks.
const REMOVAL_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Referrers that are named to a client.
const MAX_NAMED_REFERRERS: usize = 100;

/// Why something that was claimed was not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemovalError {
    /// The claim ended before: another one may hold it now.
    #[error("the storage was too slow: the claim on it has ended")]
    ClaimEnded,
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl From<RemovalError> for PublishError {
    fn from(error: RemovalError) -> Self {
        match error {
            RemovalError::ClaimEnded => too_slow("the storage removes nothing in time"),
            RemovalError::Objects(error) => unavailable(error).into(),
            RemovalError::Index(error) => index_unavailable(error).into(),
        }
    }
}

fn too_slow(what: &str) -> PublishError {
    PublishError::Cache(CacheError::Unavailable {
        what: what.to_owned(),
        remedy: "the client tries again",
    })
}

async fn in_time(
    claim: &Claim,
    removal: impl Future<Output = Result<(), ObjectError>>,
) -> Result<(), RemovalError> {
    let left = claim.remaining().ok_or(RemovalError::ClaimEnded)?;
    match timeout(left.min(REMOVE_TIMEOUT), removal).await {
        Ok(removed) => Ok(removed?),
        Err(_) => Err(RemovalError::ClaimEnded),
    }
}

/// Removes the objects of a path that is claimed. Its lock is held.
pub(crate) async fn remove_path(
    storage: &Storage,
    hash: &HashPart,
    claim: &Claim,
) -> Result<(), RemovalError> {
    let objects = storage.reader().objects();
    in_time(claim, objects.delete(&ObjectKey::narinfo(hash))).await?;
    storage.reader().forget(hash);
    in_time(claim, objects.delete(&ObjectKey::listing(hash))).await
}

/// Removes a NAR that is claimed. Its lock is held.
pub(crate) async fn remove_nar(
    storage: &Storage,
    key: &ObjectKey,
    claim: &Claim,
) -> Result<(), RemovalError> {
    in_time(claim, storage.reader().objects().delete(key)).await?;
    storage.reader().forget_nar(key);
    Ok(())
}

/// Removes a document that is claimed.
pub(crate) async fn remove_document(
    storage: &Storage,
    key: &ObjectKey,
    claim: &Claim,
) -> Result<(), RemovalError> {
    in_time(claim, storage.reader().objects().delete(key)).await
}

impl Storage {
    /// Waits until a path that is being removed is gone. Where its collector has died, this removes it.
    pub(super) async fn await_removal(&self, hash: &HashPart) -> Result<(), PublishError> {
        let end = Instant::now() + MAX_REMOVAL_WAIT;
        loop {
            let states = self.index.states(&[*hash]).await.map_err(index_unavailable)?;
            if states.first() != Some(&Some(PathState::Deleting)) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(too_slow("the path is being removed"));
            }
            let lock = self.lock_path(hash).await.map_err(index_unavailable)?;
            let claim = Claim::new();
            let taken = self.index.claim_ended(hash, &claim).await.map_err(index_unavailable)?;
            if let ClaimOutcome::Claimed(claimed) = taken {
                return Ok(self.remove_claimed(hash, &claimed, &claim).await?);
            }
            drop(lock);
            sleep(REMOVAL_POLL_INTERVAL).await;
        }
    }

    async fn remove_claimed(
        &self,
        hash: &HashPart,
        claimed: &Claimed,
        claim: &Claim,
    ) -> Result<(), RemovalError> {
        remove_path(self, hash, claim).await?;
        Ok(self.index.end_claims(RowKind::Paths, &[claimed.id], claim).await?)
    }

    /// Makes a NAR of this name one that is about to be stored: nothing removes it from now on. One that is being removed is
    /// waited for. The lock is held while it is stored and noted.
    pub(super) async fn begin_nar_at(&self, key: &ObjectKey) -> Result<IndexLock, PublishError> {
        let end = Instant::now() + MAX_REMOVAL_WAIT;
        loop {
            let lock = self.lock_nar(key).await?;
            if self.index.begin_nar(key).await.map_err(index_unavailable)? {
                return Ok(lock);
            }
            if Instant::now() > end {
                return Err(too_slow("the NAR is being removed"));
            }
            drop(lock);
            sleep(REMOVAL_POLL_INTERVAL).await;
        }
    }

    /// Makes a document one that is about to be stored, or told to be there: nothing removes it from now on. One that is being
    /// removed is waited for. The lock is held while it is stored. Returns the owner that is on record, too.
    pub(super) async fn begin_document(
        &self,
        document: &StoredDocument,
    ) -> Result<(IndexLock, DocumentOwner), PublishError> {
        let end = Instant::now() + MAX_REMOVAL_WAIT;
        loop {
            // Documents share the locks of NARs: the names differ.
            let lock = self.lock_nar(&document.key).await?;
            match self.index.begin_document(document).await.map_err(index_unavailable)? {
                Begun::Young(owner) => return Ok((lock, owner)),
                Begun::Deleting if Instant::now() > end => {
                    return Err(too_slow("the document is being removed"));
                }
                Begun::Deleting => {
                    drop(lock);
                    sleep(REMOVAL_POLL_INTERVAL).await;
                }
            }
        }
    }
}

impl Storage {
    /// Removes a path that cannot be had any more, also where a root names it, and its NAR where no other path has it.
    ///
    /// # Errors
    /// As [`rns_cache::WritableCache::delete`].
    pub(crate) async fn withdraw(
        &self,
        hash: HashPart,
        who: &Pusher,
    ) -> Result<bool, PublishError> {
        delete(self, hash, RemovalOrder { who, even_rooted: true }).await
    }
}

/// Paths that refer to a path, and roots that name it.
async fn needed_by(storage: &Storage, hash: &HashPart) -> Result<Vec<String>, CacheError> {
    let referrers = storage.index.referrers(hash, MAX_NAMED_REFERRERS).await;
    let mut by: Vec<_> =
        referrers.map_err(index_unavailable)?.iter().map(ToString::to_string).collect();
    let roots = storage.index.roots_naming(hash, MAX_NAMED_REFERRERS).await;
    by.extend(roots.map_err(index_unavailable)?.iter().map(|root| format!("the root {root}")));
    Ok(by)
}

/// Removes a path by an order, and its NAR where no other path has it.
pub(super) async fn delete(
    storage: &Storage,
    hash: HashPart,
    order: RemovalOrder<'_>,
) -> Result<bool, PublishError> {
    let lock = storage.lock_path(&hash).await.map_err(index_unavailable)?;
    let objects = storage.objects();
    let stored = storage.stored(&hash).await?;
    let is_there = objects.head(&ObjectKey::narinfo(&hash)).await.map_err(unavailable)?.is_some();
    // A path from before the index is entered first, so that its removal is seen by all.
    storage.enter_unknown(&hash).await?;
    let claim = Claim::new();
    let taken = storage.index.claim_path(&hash, &claim, order).await;
    match taken.map_err(index_unavailable)? {
        ClaimOutcome::Claimed(claimed) => storage.remove_claimed(&hash, &claimed, &claim).await?,
        ClaimOutcome::Busy => {
            drop(lock);
            storage.await_removal(&hash).await?;
            return Ok(is_there);
        }
        ClaimOutcome::Needed => {
            return Err(PublishError::Needed(needed_by(storage, &hash).await?));
        }
        // Nothing can be made of its narinfo, so nothing counts on it.
        ClaimOutcome::Absent => remove_path(storage, &hash, &claim).await?,
    }
    drop(lock);
    if let Some(name) = stored.and_then(|stored| name_in_url(&stored.url)) {
        let key = ObjectKey::nar(&name);
        // A pusher that just uploads the same NAR waits, and stores it again.
        let _lock = storage.lock_nar(&key).await?;
        let claim = Claim::new();
        let taken = storage.index.claim_nar(&key, &claim).await.map_err(index_unavailable)?;
        if let ClaimOutcome::Claimed(claimed) = taken {
            remove_nar(storage, &key, &claim).await?;
            let ended = storage.index.end_claims(RowKind::Nars, &[claimed.id], &claim).await;
            ended.map_err(index_unavailable)?;
        }
    }
    Ok(is_there)
}
