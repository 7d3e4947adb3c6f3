//! The orders of collectors to an index: they condemn, claim, and end claims; and they read all of it as of one moment.
//!
//! `docs/decisions/0014-collection.md` has the argument why nothing that is needed goes.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rns_formats::{HashPart, StorePath};

use super::{
    Claim, ClaimOutcome, Claimed, CollectionRecord, IndexError, IndexLock, IndexedPath,
    IndexedPathRow, NarRow, Referrer, RemovalOrder, RowKind, StoredSince, Unused, types::Deletion,
};
use crate::objects::ObjectKey;

/// Rows of a page of a snapshot: some milliseconds.
pub(super) const SNAPSHOT_PAGE_ROWS: i64 = 16_384;

/// An index as of one moment, in pages in the order of the rows.
#[async_trait]
pub trait IndexSnapshot: Send {
    /// The paths after this row; none: there are no more.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn paths(&mut self, after: i64) -> Result<Vec<IndexedPathRow>, IndexError>;

    /// The NARs after this row.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn nars(&mut self, after: i64) -> Result<Vec<NarRow>, IndexError>;

    /// Referrer and reference, by their rows, after this pair.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn edges(&mut self, after: (i64, i64)) -> Result<Vec<(i64, i64)>, IndexError>;

    /// Root and path that it names, by their rows, after this pair. Roots that have expired are left out.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn rooted(&mut self, after: (i64, i64)) -> Result<Vec<(i64, i64)>, IndexError>;

    /// The names of roots after this row, in the order of their rows. Those that have expired are left out.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn root_names(&mut self, after: i64) -> Result<Vec<(i64, String)>, IndexError>;
}

/// The orders of collectors to an index. All can be repeated; each is one transaction, and short.
#[async_trait]
pub trait Collection: Send + Sync {
    /// The index as of now.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn snapshot(&self) -> Result<Box<dyn IndexSnapshot>, IndexError>;

    /// Condemns those of the rows that nothing visible needs and that are not used. Returns them. Condemned, they are as
    /// visible as before, and become published again as soon as anything counts on them.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn condemn(
        &self,
        rows: RowKind,
        ids: &[i64],
        unused: Unused,
    ) -> Result<Vec<i64>, IndexError>;

    /// Claims those of the rows that are condemned, that nothing needs which is visible or was a moment ago, and that are not
    /// used: from now on they are told to no pusher. Rows of a claim that has ended are claimed as well.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn claim(
        &self,
        rows: RowKind,
        ids: &[i64],
        unused: Unused,
        claim: &Claim,
    ) -> Result<Vec<Claimed>, IndexError>;

    /// Claims a path of any age and use, unless something refers to it or a root names it. The orderer is noted.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn claim_path(
        &self,
        hash: &HashPart,
        claim: &Claim,
        order: RemovalOrder<'_>,
    ) -> Result<ClaimOutcome, IndexError>;

    /// Claims a path that another claim held which has ended: its collector has died.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn claim_ended(&self, hash: &HashPart, claim: &Claim)
    -> Result<ClaimOutcome, IndexError>;

    /// Orders to remove a path that were carried out, the latest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn deletions(&self, hash: &HashPart) -> Result<Vec<Deletion>, IndexError>;

    /// The path with this hash part, and itself as a cause that others stay. `None`: it is not here.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn path_record(
        &self,
        hash: &HashPart,
    ) -> Result<Option<(IndexedPath, Referrer)>, IndexError>;

    /// Paths that are here and refer to these rows, each with the row that it refers to, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn referrers_of(
        &self,
        ids: &[i64],
        limit: usize,
    ) -> Result<Vec<(i64, Referrer)>, IndexError>;

    /// Paths that these rows refer to: referrer and reference, by their rows.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn references_of(&self, ids: &[i64]) -> Result<Vec<(i64, i64)>, IndexError>;

    /// Root and path that it names, by their rows, after this pair, at most `limit`. Roots that have expired are left out.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn rooted_after(
        &self,
        after: (i64, i64),
        limit: usize,
    ) -> Result<Vec<(i64, i64)>, IndexError>;

    /// Roots that name a path and have not expired.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn roots_naming(&self, hash: &HashPart, limit: usize) -> Result<Vec<String>, IndexError>;

    /// Visible paths that refer to a path, or are about to.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn referrers(&self, hash: &HashPart, limit: usize) -> Result<Vec<StorePath>, IndexError>;

    /// Claims a path whose publication was begun and not touched since this time. `None`: it goes on, or has ended.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn claim_stale(
        &self,
        hash: &HashPart,
        untouched_since: SystemTime,
        claim: &Claim,
    ) -> Result<Option<Claimed>, IndexError>;

    /// Whether a row is held by this claim.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn holds(&self, rows: RowKind, id: i64, claim: &Claim) -> Result<bool, IndexError>;

    /// Notes that NARs were read, as a read of the paths that have them; a lost note makes a path look less used than it is.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn note_nar_reads(&self, keys: &[ObjectKey]) -> Result<(), IndexError>;

    /// The bytes of the NARs after the one with the row `after`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn stored_since(&self, after: i64) -> Result<StoredSince, IndexError>;

    /// Notes a collection that has just come to its end.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn note_collection(
        &self,
        begun: SystemTime,
        paths: u64,
        bytes: u64,
    ) -> Result<(), IndexError>;

    /// How far the clock of this machine is from that of the database, in whole seconds and either direction. Zero where both
    /// are one.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn clock_difference(&self) -> Result<Duration, IndexError>;

    /// The last collection that came to its end, by any server or command.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn last_collection(&self) -> Result<Option<CollectionRecord>, IndexError>;

    /// Claims a NAR of any age, unless a path has it.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn claim_nar(&self, key: &ObjectKey, claim: &Claim) -> Result<ClaimOutcome, IndexError>;

    /// Those of the NARs that the index does not know, in their order.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn unknown_nars(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>, IndexError>;

    /// Claims those of the NARs that the index does not know.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn claim_orphans(
        &self,
        keys: &[ObjectKey],
        claim: &Claim,
    ) -> Result<Vec<Claimed>, IndexError>;

    /// Ends the claim on rows of which it has removed nothing. They are not told to be there, since an earlier claim may have
    /// removed their objects: the next claim, or a pusher, removes the rest.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn give_back(&self, rows: RowKind, ids: &[i64], claim: &Claim) -> Result<(), IndexError>;

    /// Takes claimed rows, whose objects are gone now, out of the index. Rows that this claim does not hold any more stay.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn end_claims(&self, rows: RowKind, ids: &[i64], claim: &Claim)
    -> Result<(), IndexError>;

    /// Makes condemned paths published again.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn revive(&self, ids: &[i64]) -> Result<(), IndexError>;

    /// The paths of rows that are still there, in no order.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn paths(&self, ids: &[i64]) -> Result<Vec<(i64, StorePath)>, IndexError>;

    /// Publications that were begun and not touched since this time, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn stale_publications(
        &self,
        untouched_since: SystemTime,
        limit: usize,
    ) -> Result<Vec<HashPart>, IndexError>;

    /// Makes this process the only one that collects, until the lock is dropped. `None`: another one is.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn lock_collection(&self) -> Result<Option<IndexLock>, IndexError>;
}
