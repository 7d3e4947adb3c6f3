//! The orders of collectors.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use deadpool_postgres::Object;
use rns_formats::{HashPart, StorePath};
use tokio::time::timeout;

use super::{
    PostgresIndex, ask, claims, collection,
    connections::{MAX_ORDER_ATTEMPTS, ORDER_TIMEOUT, can_be_repeated},
    retried,
    snapshot::PostgresSnapshot,
    transact,
};
use crate::{
    index::{
        Claim, ClaimOutcome, Claimed, Collection, CollectionRecord, Deletion, IndexError,
        IndexLock, IndexSnapshot, IndexedPath, Referrer, RemovalOrder, RowKind, StoredSince,
        Unused,
        types::{seconds, size},
    },
    objects::ObjectKey,
};

#[async_trait]
impl Collection for PostgresIndex {
    async fn snapshot(&self) -> Result<Box<dyn IndexSnapshot>, IndexError> {
        let client = self.client().await?;
        let begun = PostgresSnapshot::begin(Arc::clone(&self.database), client).await;
        Ok(Box::new(begun.map_err(|error| self.unavailable(&error))?))
    }

    async fn condemn(
        &self,
        rows: RowKind,
        ids: &[i64],
        unused: Unused,
    ) -> Result<Vec<i64>, IndexError> {
        transact!(self, transaction => claims::condemn(&transaction, rows, ids, unused))
    }

    async fn claim(
        &self,
        rows: RowKind,
        ids: &[i64],
        unused: Unused,
        claim: &Claim,
    ) -> Result<Vec<Claimed>, IndexError> {
        let claim = claim.number();
        transact!(self, transaction => claims::claim(&transaction, rows, ids, unused, claim))
    }

    async fn claim_path(
        &self,
        hash: &HashPart,
        claim: &Claim,
        order: RemovalOrder<'_>,
    ) -> Result<ClaimOutcome, IndexError> {
        let claim = claim.number();
        transact!(self, transaction => claims::claim_path(&transaction, hash, claim, order))
    }

    async fn claim_ended(
        &self,
        hash: &HashPart,
        claim: &Claim,
    ) -> Result<ClaimOutcome, IndexError> {
        transact!(self, transaction => claims::claim_ended(&transaction, hash, claim.number()))
    }

    async fn deletions(&self, hash: &HashPart) -> Result<Vec<Deletion>, IndexError> {
        ask!(self, client => collection::deletions(&client, hash))
    }

    async fn path_record(
        &self,
        hash: &HashPart,
    ) -> Result<Option<(IndexedPath, Referrer)>, IndexError> {
        ask!(self, client => collection::path_record(&client, hash))
    }

    async fn referrers_of(
        &self,
        ids: &[i64],
        limit: usize,
    ) -> Result<Vec<(i64, Referrer)>, IndexError> {
        ask!(self, client => collection::referrers_of(&client, ids, limit))
    }

    async fn references_of(&self, ids: &[i64]) -> Result<Vec<(i64, i64)>, IndexError> {
        ask!(self, client => collection::references_of(&client, ids))
    }

    async fn rooted_after(
        &self,
        after: (i64, i64),
        limit: usize,
    ) -> Result<Vec<(i64, i64)>, IndexError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        ask!(self, client => collection::rooted(&client, after, limit))
    }

    async fn roots_naming(&self, hash: &HashPart, limit: usize) -> Result<Vec<String>, IndexError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        ask!(self, client => collection::roots_naming(&client, hash, limit))
    }

    async fn claim_stale(
        &self,
        hash: &HashPart,
        untouched_since: SystemTime,
        claim: &Claim,
    ) -> Result<Option<Claimed>, IndexError> {
        let (before, claim) = (seconds(untouched_since), claim.number());
        transact!(self, transaction => claims::claim_stale(&transaction, hash, before, claim))
    }

    async fn holds(&self, rows: RowKind, id: i64, claim: &Claim) -> Result<bool, IndexError> {
        ask!(self, client => claims::holds(&client, rows, id, claim.number()))
    }

    async fn note_nar_reads(&self, keys: &[ObjectKey]) -> Result<(), IndexError> {
        ask!(self, client => collection::note_nar_reads(&client, keys))
    }

    async fn stored_since(&self, after: i64) -> Result<StoredSince, IndexError> {
        ask!(self, client => collection::stored_since(&client, after))
    }

    async fn note_collection(
        &self,
        begun: SystemTime,
        paths: u64,
        bytes: u64,
    ) -> Result<(), IndexError> {
        let (begun, paths, bytes) = (seconds(begun), size(paths), size(bytes));
        transact!(self, transaction =>
            collection::note_collection(&transaction, begun, paths, bytes))
    }

    async fn clock_difference(&self) -> Result<Duration, IndexError> {
        ask!(self, client => collection::clock_difference(&client))
    }

    async fn last_collection(&self) -> Result<Option<CollectionRecord>, IndexError> {
        ask!(self, client => collection::last_collection(&client))
    }

    async fn referrers(&self, hash: &HashPart, limit: usize) -> Result<Vec<StorePath>, IndexError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        ask!(self, client => collection::referrers(&client, hash, limit))
    }

    async fn claim_nar(&self, key: &ObjectKey, claim: &Claim) -> Result<ClaimOutcome, IndexError> {
        transact!(self, transaction => claims::claim_nar(&transaction, key, claim.number()))
    }

    async fn unknown_nars(&self, mut keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>, IndexError> {
        let known: Result<_, IndexError> =
            ask!(self, client => collection::known_nars(&client, &keys));
        let known = known?;
        keys.retain(|key| !known.contains(key.as_str()));
        Ok(keys)
    }

    async fn claim_orphans(
        &self,
        keys: &[ObjectKey],
        claim: &Claim,
    ) -> Result<Vec<Claimed>, IndexError> {
        transact!(self, transaction => claims::claim_orphans(&transaction, keys, claim.number()))
    }

    async fn give_back(&self, rows: RowKind, ids: &[i64], claim: &Claim) -> Result<(), IndexError> {
        ask!(self, client => claims::give_back(&client, rows, ids, claim.number()))
    }

    async fn end_claims(
        &self,
        rows: RowKind,
        ids: &[i64],
        claim: &Claim,
    ) -> Result<(), IndexError> {
        let claim = claim.number();
        transact!(self, transaction => claims::end_claims(&transaction, rows, ids, claim))
    }

    async fn revive(&self, ids: &[i64]) -> Result<(), IndexError> {
        ask!(self, client => claims::revive(&client, ids))
    }

    async fn paths(&self, ids: &[i64]) -> Result<Vec<(i64, StorePath)>, IndexError> {
        ask!(self, client => collection::path_names(&client, ids))
    }

    async fn stale_publications(
        &self,
        untouched_since: SystemTime,
        limit: usize,
    ) -> Result<Vec<HashPart>, IndexError> {
        let (before, limit) = (seconds(untouched_since), i64::try_from(limit).unwrap_or(i64::MAX));
        ask!(self, client => collection::stale_publications(&client, before, limit))
    }

    async fn lock_collection(&self) -> Result<Option<IndexLock>, IndexError> {
        let held = self.locks.try_lock(collection::COLLECTION_LOCK).await;
        Ok(held.map_err(|error| self.unavailable(&error))?.map(IndexLock::new))
    }
}
