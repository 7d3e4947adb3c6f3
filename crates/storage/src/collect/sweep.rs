//! Removes the paths that a plan lets go, as long as they still may.

use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt as _, stream};
use rns_formats::HashPart;
use tokio::time::{sleep, timeout};

use super::{
    document_kind::{DocumentCounts, DocumentKind},
    graph::StorageGraph,
};
use crate::{
    index::{Claim, Claimed, IndexError, RowKind, Unused},
    objects::ObjectKey,
    write::{REMOVE_TIMEOUT, RemovalError, Storage, remove_document, remove_nar, remove_path},
};

/// Objects that are removed at the same time.
const MAX_REMOVALS: usize = 8;

/// How long a path or NAR is waited for that a pusher has just taken. Then it stays.
pub(super) const CLAIM_LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest pause after a batch.
pub(super) const MAX_SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// The counts of removed objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Paths.
    pub paths: u64,
    /// NARs.
    pub nars: u64,
    /// Bytes of these NARs as they were stored. Of those that the index did not know none are counted.
    pub bytes: u64,
    /// NARs among these that the index did not know.
    pub unknown_nars: u64,
    /// Documents without a path.
    pub documents: DocumentCounts,
    /// Paths, NARs and documents that were to go and stay, since something counted on them meanwhile.
    pub left: u64,
}

/// Removes batches.
pub(super) struct Sweep<'a> {
    storage: &'a Storage,
    unused: Unused,
    swept: Swept,
}

/// The end of a claim.
enum ClaimEnd {
    Removed(Claimed),
    /// This claim has removed nothing of it.
    Untouched(i64),
    /// The claim is another one's by now.
    Lost,
    /// Some of it may be removed. It stays claimed until the claim ends.
    Failed(RemovalError),
}

impl<'a> Sweep<'a> {
    pub(super) fn new(storage: &'a Storage, unused: Unused) -> Self {
        Self { storage, unused, swept: Swept::default() }
    }

    pub(super) const fn swept(&self) -> Swept {
        self.swept
    }

    /// Removes paths that do not refer to each other, and their NARs.
    pub(super) async fn paths(
        &mut self,
        graph: &StorageGraph,
        batch: &[usize],
    ) -> Result<(), RemovalError> {
        let ids: Vec<i64> = batch.iter().filter_map(|path| graph.id(*path)).collect();
        let removed = self.batch(RowKind::Paths, &ids, self.unused).await?;
        let of_removed = batch
            .iter()
            .filter(|path| graph.id(**path).is_some_and(|id| removed.contains(&id)))
            .filter_map(|path| graph.nar_of(*path));
        let nars: Vec<i64> = of_removed.collect();
        self.nars(&nars).await
    }

    /// Removes NARs that no path has.
    pub(super) async fn nars(&mut self, ids: &[i64]) -> Result<(), RemovalError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.batch(RowKind::Nars, ids, self.unused).await.map(|_| ())
    }

    /// Removes documents that nothing owns, and that were pushed or found before this time.
    pub(super) async fn documents(
        &mut self,
        ids: &[i64],
        untouched_since: SystemTime,
    ) -> Result<(), RemovalError> {
        let unused = Unused { untouched_since, ..self.unused };
        self.batch(RowKind::Documents, ids, unused).await.map(|_| ())
    }

    /// Removes claimed NARs that the index did not know.
    pub(super) async fn unknown_nars(
        &mut self,
        claimed: Vec<Claimed>,
        claim: &Claim,
    ) -> Result<(), RemovalError> {
        let before = self.swept.nars;
        let removed = self.remove(RowKind::Nars, claimed, claim).await;
        self.swept.unknown_nars += self.swept.nars - before;
        removed.map(|_| ())
    }

    /// Notes that a listing without a path was removed.
    pub(super) fn removed_listing(&mut self) {
        self.swept.documents.add(DocumentKind::Listing);
    }

    /// Condemns, claims and removes. Returns the rows that are gone.
    async fn batch(
        &mut self,
        rows: RowKind,
        ids: &[i64],
        unused: Unused,
    ) -> Result<Vec<i64>, RemovalError> {
        let begun = Instant::now();
        let index = self.storage.index();
        index.condemn(rows, ids, unused).await?;
        let claim = Claim::new();
        let claimed = index.claim(rows, ids, unused, &claim).await?;
        self.swept.left += (ids.len() - claimed.len()) as u64;
        let removed = self.remove(rows, claimed, &claim).await?;
        // As much time for others.
        sleep(begun.elapsed().min(MAX_SWEEP_PAUSE)).await;
        Ok(removed)
    }

    /// Removes the claimed objects, and ends the claim. Returns the rows that are gone.
    pub(super) async fn remove(
        &mut self,
        rows: RowKind,
        claimed: Vec<Claimed>,
        claim: &Claim,
    ) -> Result<Vec<i64>, RemovalError> {
        let index = self.storage.index();
        let storage = self.storage;
        let outcomes: Vec<ClaimEnd> = stream::iter(claimed)
            .map(|claimed| remove_one(storage, rows, claimed, claim))
            .buffer_unordered(MAX_REMOVALS)
            .collect()
            .await;
        let (mut removed, mut untouched, mut failed) = (Vec::new(), Vec::new(), None);
        for outcome in outcomes {
            match outcome {
                ClaimEnd::Removed(claimed) => {
                    removed.push(claimed.id);
                    match rows {
                        RowKind::Paths => self.swept.paths += 1,
                        RowKind::Nars => {
                            self.swept.nars += 1;
                            self.swept.bytes += claimed.file_size;
                        }
                        RowKind::Documents => {
                            let kind = DocumentKind::of(&ObjectKey::listed(&claimed.name));
                            kind.into_iter().for_each(|kind| self.swept.documents.add(kind));
                        }
                    }
                }
                ClaimEnd::Untouched(id) => untouched.push(id),
                ClaimEnd::Lost => self.swept.left += 1,
                ClaimEnd::Failed(error) => failed = Some(error),
            }
        }
        self.swept.left += untouched.len() as u64;
        index.end_claims(rows, &removed, claim).await?;
        index.give_back(rows, &untouched, claim).await?;
        failed.map_or(Ok(removed), Err)
    }
}

async fn remove_one(storage: &Storage, rows: RowKind, claimed: Claimed, claim: &Claim) -> ClaimEnd {
    let done = match rows {
        RowKind::Paths => {
            let Ok(hash) = HashPart::parse(&claimed.name) else {
                return ClaimEnd::Untouched(claimed.id);
            };
            // The server that changes the path at this moment counts on it.
            let Ok(Ok(_lock)) = timeout(CLAIM_LOCK_TIMEOUT, storage.lock_path(&hash)).await else {
                return ClaimEnd::Untouched(claimed.id);
            };
            if is_nearly_over(claim) {
                return ClaimEnd::Untouched(claimed.id);
            }
            match is_held(storage, rows, &claimed, claim).await {
                Ok(true) => remove_path(storage, &hash, claim).await,
                Ok(false) => return ClaimEnd::Lost,
                Err(_) => return ClaimEnd::Untouched(claimed.id),
            }
        }
        RowKind::Nars => {
            let key = ObjectKey::listed(&claimed.name);
            let Ok(Ok(_lock)) = timeout(CLAIM_LOCK_TIMEOUT, storage.lock_nar(&key)).await else {
                return ClaimEnd::Untouched(claimed.id);
            };
            if is_nearly_over(claim) {
                return ClaimEnd::Untouched(claimed.id);
            }
            match is_held(storage, rows, &claimed, claim).await {
                Ok(true) => remove_nar(storage, &key, claim).await,
                Ok(false) => return ClaimEnd::Lost,
                Err(_) => return ClaimEnd::Untouched(claimed.id),
            }
        }
        // A pusher of the same document waits for the claim: there is no lock.
        RowKind::Documents if is_nearly_over(claim) => return ClaimEnd::Untouched(claimed.id),
        RowKind::Documents => match is_held(storage, rows, &claimed, claim).await {
            Ok(true) => remove_document(storage, &ObjectKey::listed(&claimed.name), claim).await,
            Ok(false) => return ClaimEnd::Lost,
            Err(_) => return ClaimEnd::Untouched(claimed.id),
        },
    };
    match done {
        Ok(()) => ClaimEnd::Removed(claimed),
        Err(error) => ClaimEnd::Failed(error),
    }
}

/// Whether a removal that begins now could outlast the claim. With a slow storage the rest of a batch is left to the next
/// collection, and this one goes on.
fn is_nearly_over(claim: &Claim) -> bool {
    claim.remaining().is_none_or(|left| left < REMOVE_TIMEOUT)
}

/// Whether the claim still holds, after its place was waited for.
async fn is_held(
    storage: &Storage,
    rows: RowKind,
    claimed: &Claimed,
    claim: &Claim,
) -> Result<bool, IndexError> {
    storage.index().holds(rows, claimed.id, claim).await
}
