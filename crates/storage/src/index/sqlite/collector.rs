//! The orders of collectors.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use rns_formats::{HashPart, StorePath};
use tokio::task::spawn_blocking;

use super::{SqliteIndex, claims, collection, locks, snapshot::SqliteSnapshot};
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
impl Collection for SqliteIndex {
    async fn snapshot(&self) -> Result<Box<dyn IndexSnapshot>, IndexError> {
        let this = self.clone();
        self.commit().await?;
        let open = self.open().await?;
        let begun = self.step(move || {
            // The first statement fixes the moment.
            let moment = "begin; select count(*) from sqlite_schema;";
            open.connection.execute_batch(moment).map_err(|error| this.unavailable(&error))?;
            Ok(open)
        });
        Ok(Box::new(SqliteSnapshot::new(Arc::clone(&self.file), begun.await?)))
    }

    async fn condemn(
        &self,
        rows: RowKind,
        ids: &[i64],
        unused: Unused,
    ) -> Result<Vec<i64>, IndexError> {
        let ids = ids.to_vec();
        self.transact(move |connection| claims::condemn(connection, rows, &ids, unused)).await
    }

    async fn claim(
        &self,
        rows: RowKind,
        ids: &[i64],
        unused: Unused,
        claim: &Claim,
    ) -> Result<Vec<Claimed>, IndexError> {
        let (ids, claim) = (ids.to_vec(), claim.number());
        self.transact(move |connection| claims::claim(connection, rows, &ids, unused, claim)).await
    }

    async fn claim_path(
        &self,
        hash: &HashPart,
        claim: &Claim,
        order: RemovalOrder<'_>,
    ) -> Result<ClaimOutcome, IndexError> {
        let (hash, claim, who) = (hash.to_string(), claim.number(), order.who.clone());
        let even_rooted = order.even_rooted;
        self.transact(move |connection| {
            claims::claim_path(connection, &hash, claim, RemovalOrder { who: &who, even_rooted })
        })
        .await
    }

    async fn claim_ended(
        &self,
        hash: &HashPart,
        claim: &Claim,
    ) -> Result<ClaimOutcome, IndexError> {
        let (hash, claim) = (hash.to_string(), claim.number());
        self.transact(move |connection| claims::claim_ended(connection, &hash, claim)).await
    }

    async fn deletions(&self, hash: &HashPart) -> Result<Vec<Deletion>, IndexError> {
        let hash = hash.to_string();
        self.run(move |connection| collection::deletions(connection, &hash)).await
    }

    async fn path_record(
        &self,
        hash: &HashPart,
    ) -> Result<Option<(IndexedPath, Referrer)>, IndexError> {
        let hash = hash.to_string();
        self.run(move |connection| collection::path_record(connection, &hash)).await
    }

    async fn referrers_of(
        &self,
        ids: &[i64],
        limit: usize,
    ) -> Result<Vec<(i64, Referrer)>, IndexError> {
        let ids = ids.to_vec();
        self.run(move |connection| collection::referrers_of(connection, &ids, limit)).await
    }

    async fn references_of(&self, ids: &[i64]) -> Result<Vec<(i64, i64)>, IndexError> {
        let ids = ids.to_vec();
        self.run(move |connection| collection::references_of(connection, &ids)).await
    }

    async fn rooted_after(
        &self,
        after: (i64, i64),
        limit: usize,
    ) -> Result<Vec<(i64, i64)>, IndexError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.run(move |connection| collection::rooted(connection, after, limit)).await
    }

    async fn roots_naming(&self, hash: &HashPart, limit: usize) -> Result<Vec<String>, IndexError> {
        let (hash, limit) = (hash.to_string(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.run(move |connection| collection::roots_naming(connection, &hash, limit)).await
    }

    async fn claim_stale(
        &self,
        hash: &HashPart,
        untouched_since: SystemTime,
        claim: &Claim,
    ) -> Result<Option<Claimed>, IndexError> {
        let (hash, before, claim) = (hash.to_string(), seconds(untouched_since), claim.number());
        self.transact(move |connection| claims::claim_stale(connection, &hash, before, claim)).await
    }

    async fn holds(&self, rows: RowKind, id: i64, claim: &Claim) -> Result<bool, IndexError> {
        let claim = claim.number();
        // The open transaction of another process may take the claim away. This transaction waits for its commit.
        self.transact(move |connection| claims::holds(connection, rows, id, claim)).await
    }

    async fn note_nar_reads(&self, keys: &[ObjectKey]) -> Result<(), IndexError> {
        let keys = keys.to_vec();
        self.transact_later(move |connection| collection::note_nar_reads(connection, &keys)).await
    }

    async fn stored_since(&self, after: i64) -> Result<StoredSince, IndexError> {
        self.run(move |connection| collection::stored_since(connection, after)).await
    }

    async fn note_collection(
        &self,
        begun: SystemTime,
        paths: u64,
        bytes: u64,
    ) -> Result<(), IndexError> {
        let (begun, paths, bytes) = (seconds(begun), size(paths), size(bytes));
        self.transact(move |connection| {
            collection::note_collection(connection, begun, paths, bytes)
        })
        .await
    }

    async fn clock_difference(&self) -> Result<Duration, IndexError> {
        Ok(Duration::ZERO)
    }

    async fn last_collection(&self) -> Result<Option<CollectionRecord>, IndexError> {
        self.run(|connection| collection::last_collection(connection)).await
    }

    async fn referrers(&self, hash: &HashPart, limit: usize) -> Result<Vec<StorePath>, IndexError> {
        let (hash, limit) = (hash.to_string(), i64::try_from(limit).unwrap_or(i64::MAX));
        let found = self.run(move |connection| collection::referrers(connection, &hash, limit));
        Ok(found.await?.iter().filter_map(|path| StorePath::parse(path).ok()).collect())
    }

    async fn claim_nar(&self, key: &ObjectKey, claim: &Claim) -> Result<ClaimOutcome, IndexError> {
        let (key, claim) = (key.clone(), claim.number());
        self.transact(move |connection| claims::claim_nar(connection, &key, claim)).await
    }

    async fn unknown_nars(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>, IndexError> {
        self.run(move |connection| collection::unknown_nars(connection, keys)).await
    }

    async fn claim_orphans(
        &self,
        keys: &[ObjectKey],
        claim: &Claim,
    ) -> Result<Vec<Claimed>, IndexError> {
        let (keys, claim) = (keys.to_vec(), claim.number());
        self.transact(move |connection| claims::claim_orphans(connection, &keys, claim)).await
    }

    async fn give_back(&self, rows: RowKind, ids: &[i64], claim: &Claim) -> Result<(), IndexError> {
        let (ids, claim) = (ids.to_vec(), claim.number());
        self.transact(move |connection| claims::give_back(connection, rows, &ids, claim)).await
    }

    async fn end_claims(
        &self,
        rows: RowKind,
        ids: &[i64],
        claim: &Claim,
    ) -> Result<(), IndexError> {
        let (ids, claim) = (ids.to_vec(), claim.number());
        self.transact(move |connection| claims::end_claims(connection, rows, &ids, claim)).await
    }

    async fn revive(&self, ids: &[i64]) -> Result<(), IndexError> {
        let ids = ids.to_vec();
        self.transact(move |connection| claims::revive(connection, &ids)).await
    }

    async fn paths(&self, ids: &[i64]) -> Result<Vec<(i64, StorePath)>, IndexError> {
        let ids = ids.to_vec();
        let found = self.run(move |connection| collection::path_names(connection, &ids)).await?;
        let path = |(id, path): &(i64, String)| Some((*id, StorePath::parse(path).ok()?));
        Ok(found.iter().filter_map(path).collect())
    }

    async fn stale_publications(
        &self,
        untouched_since: SystemTime,
        limit: usize,
    ) -> Result<Vec<HashPart>, IndexError> {
        let (before, limit) = (seconds(untouched_since), i64::try_from(limit).unwrap_or(i64::MAX));
        let found =
            self.run(move |connection| collection::stale_publications(connection, before, limit));
        Ok(found.await?.iter().filter_map(|hash| HashPart::parse(hash).ok()).collect())
    }

    async fn lock_collection(&self) -> Result<Option<IndexLock>, IndexError> {
        let file = Arc::clone(&self.file);
        let locked = spawn_blocking(move || locks::lock_collection(&file)).await;
        let locked = locked.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let locked = locked.map_err(|error| IndexError::Unavailable {
            database: self.file.display().to_string(),
            why: format!("its locks: {error}"),
        })?;
        Ok(locked.map(IndexLock::new))
    }
}
