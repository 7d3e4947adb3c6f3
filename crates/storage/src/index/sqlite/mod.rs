//! The index in a SQLite file, for one server and the commands beside it.

mod claims;
mod collection;
mod collector;
mod commit_thread;
mod connection;
mod documents;
mod file_beside;
mod locks;
mod open_index;
mod order_record;
mod orders;
mod redo;
mod redo_log;
mod root_index;
mod roots;
mod rows;
mod schema;
mod snapshot;
mod spinning_lock;
mod wait_flag;
mod write_ahead;

use async_trait::async_trait;
use rns_cache::Pusher;
use rns_formats::HashPart;
use rusqlite::Connection;

use self::orders::{BeginPublish, Durability, EndPublish, EnterNewNar, PutNar};
pub use self::{connection::SqliteIndex, write_ahead::use_write_ahead_log};
use super::{
    Exclusive, ImportedPath, Index, IndexError, IndexLock, IndexedNar, NarState, NewPath,
    PathState, PublishRefusal, Push, types::now,
};
use crate::objects::{ObjectKey, StorageName};

#[async_trait]
impl Index for SqliteIndex {
    async fn nar(&self, key: &ObjectKey) -> Result<Option<IndexedNar>, IndexError> {
        let key = key.clone();
        self.run(move |connection| rows::nar(connection, &key)).await
    }

    async fn put_nar(&self, key: &ObjectKey, nar: &IndexedNar) -> Result<(), IndexError> {
        self.order(PutNar { key: key.clone(), nar: *nar }).await
    }

    async fn nar_state(&self, key: &ObjectKey) -> Result<Option<NarState>, IndexError> {
        let key = key.clone();
        self.run(move |connection| rows::nar_state(connection, &key)).await
    }

    async fn begin_nar(&self, key: &ObjectKey) -> Result<bool, IndexError> {
        let key = key.clone();
        self.run_on(move |open| {
            // Without a row its file keeps it, which is new. A collector that claims an older one asks once more under the lock,
            // which is held until `put_nar` has taken the claim away.
            if rows::nar_state(&open.connection, &key)?.is_none() {
                return Ok(true);
            }
            open.transact(Durability::Now, |connection| claims::begin_nar(connection, &key))
        })
        .await
    }

    async fn enter_new_nar(&self, key: &ObjectKey, nar: &IndexedNar) -> Result<bool, IndexError> {
        self.order(EnterNewNar { key: key.clone(), nar: *nar }).await
    }

    async fn keep_nar(&self, key: &ObjectKey) -> Result<bool, IndexError> {
        let key = key.clone();
        self.transact(move |connection| claims::begin_nar(connection, &key)).await
    }

    async fn touch_nar(&self, key: &ObjectKey) -> Result<bool, IndexError> {
        let key = key.clone();
        self.transact_if(
            {
                let key = key.clone();
                move |connection| Ok(rows::nar_state(connection, &key)?.is_some())
            },
            move |connection| rows::touch_nar(connection, &key, now()),
        )
        .await
    }

    async fn begin_publish(
        &self,
        path: &NewPath,
        pusher: Option<&Pusher>,
    ) -> Result<Option<PublishRefusal>, IndexError> {
        self.order(BeginPublish { path: path.clone(), pusher: pusher.cloned() }).await
    }

    async fn end_publish(
        &self,
        hash: &HashPart,
        pusher: Option<&Pusher>,
    ) -> Result<(), IndexError> {
        self.order(EndPublish { hash: *hash, pusher: pusher.cloned() }).await
    }

    async fn touch_path(&self, hash: &HashPart) -> Result<bool, IndexError> {
        let hash = *hash;
        self.transact(move |connection| rows::touch_path(connection, &hash, now())).await
    }

    async fn states(&self, hashes: &[HashPart]) -> Result<Vec<Option<PathState>>, IndexError> {
        let hashes = hashes.to_vec();
        self.run_on(move |open| {
            let read = |connection: &Connection| {
                hashes.iter().map(|hash| rows::state(connection, hash)).collect()
            };
            let states: Vec<Option<PathState>> = read(&open.connection)?;
            let are_settled = states.iter().all(|state| state.is_some_and(PathState::is_settled));
            if are_settled || open.is_in_transaction {
                return Ok(states);
            }
            // Another process may have begun to publish one, and not committed that yet. This transaction waits for its commit.
            open.transact(Durability::Now, read)
        })
        .await
    }

    async fn note_reads(&self, hashes: &[HashPart]) -> Result<(), IndexError> {
        let hashes = hashes.to_vec();
        self.transact_later(move |connection| rows::note_reads(connection, &hashes)).await
    }

    async fn pushes(&self, hash: &HashPart) -> Result<Vec<Push>, IndexError> {
        let hash = *hash;
        self.run(move |connection| rows::pushes(connection, &hash)).await
    }

    async fn import(&self, paths: &[ImportedPath]) -> Result<Vec<HashPart>, IndexError> {
        let paths = paths.to_vec();
        self.transact(move |connection| {
            let mut left_out = Vec::new();
            for path in &paths {
                if !rows::import(connection, path)? {
                    left_out.push(path.path.path.hash_part());
                }
            }
            Ok(left_out)
        })
        .await
    }

    async fn published_after(
        &self,
        after: Option<&HashPart>,
        limit: usize,
    ) -> Result<Vec<(HashPart, ObjectKey)>, IndexError> {
        let after = after.copied();
        self.run(move |connection| rows::published_after(connection, after.as_ref(), limit)).await
    }

    async fn forget_path(&self, hash: &HashPart) -> Result<(), IndexError> {
        let hash = *hash;
        self.transact(move |connection| rows::forget_path(connection, &hash)).await
    }

    async fn lock(&self, what: Exclusive<'_>) -> Result<IndexLock, IndexError> {
        let held = self.locks.lock(what).await;
        held.map(IndexLock::new).map_err(|error| IndexError::Unavailable {
            database: self.file.display().to_string(),
            why: format!("its locks: {error}"),
        })
    }

    fn database(&self) -> String {
        self.file.display().to_string()
    }

    async fn add_storage_name(&self, name: &StorageName) -> Result<(), IndexError> {
        let name = name.clone();
        self.transact(move |connection| rows::add_storage_name(connection, &name)).await
    }

    fn is_local(&self) -> bool {
        true
    }

    fn try_lock(&self, what: Exclusive<'_>) -> Option<IndexLock> {
        self.locks.try_lock(what).map(IndexLock::new)
    }

    async fn check(&self) -> Result<(), IndexError> {
        self.transact(|_| Ok(())).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rns_formats::Sha256Digest;
    use tempfile::TempDir;

    use super::{spinning_lock::lock, *};
    use crate::index::{Claim, Collection as _, RowKind};

    /// The index of a server, and that of a command beside it, which have one file.
    fn server_and_command() -> (TempDir, SqliteIndex, SqliteIndex) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let (server, command) =
            (SqliteIndex::new(file.clone(), false), SqliteIndex::new(file, false));
        (directory, server, command)
    }

    fn nar_of_nothing() -> IndexedNar {
        let digest = Sha256Digest::of(b"");
        IndexedNar { file_hash: digest, file_size: 0, nar_hash: digest, nar_size: 0 }
    }

    #[tokio::test]
    async fn a_nar_that_the_index_knew_and_one_that_is_promised_survive_a_power_loss() {
        let directory = tempfile::tempdir().unwrap();
        let mut index = SqliteIndex::new(directory.path().join("index.sqlite"), true);
        index.commit_thread.max_age = Duration::from_secs(3600);
        let is_committed =
            || lock(&index.connection).as_ref().is_some_and(|open| !open.is_in_transaction);
        let key = ObjectKey::listed("nar/a.nar");
        assert!(index.begin_nar(&key).await.unwrap());
        assert_eq!(index.nar_state(&key).await.unwrap(), None, "its file is new and keeps it");
        index.put_nar(&key, &nar_of_nothing()).await.unwrap();
        assert!(!is_committed());
        assert!(index.begin_nar(&key).await.unwrap());
        assert!(is_committed());
        index.put_nar(&ObjectKey::listed("nar/b.nar"), &nar_of_nothing()).await.unwrap();
        assert!(!is_committed());
        assert!(index.keep_nar(&ObjectKey::listed("nar/c.nar")).await.unwrap());
        assert!(is_committed());
    }

    #[tokio::test]
    async fn a_note_is_committed_soon_and_when_the_server_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let key = ObjectKey::listed("nar/a.nar");
        let index = SqliteIndex::new(file.clone(), false);
        index.put_nar(&key, &nar_of_nothing()).await.unwrap();
        let other = SqliteIndex::new(file.clone(), false);
        let deadline = Instant::now() + Duration::from_secs(30);
        while other.nar(&key).await.unwrap().is_none() {
            assert!(Instant::now() < deadline, "it is never committed");
        }
        let key = ObjectKey::listed("nar/b.nar");
        let mut index = SqliteIndex::new(file, false);
        index.commit_thread.max_age = Duration::from_secs(3600);
        index.put_nar(&key, &nar_of_nothing()).await.unwrap();
        assert_eq!(other.nar(&key).await.unwrap(), None);
        drop(index);
        assert!(other.nar(&key).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_nar_is_entered_where_the_index_does_not_know_its_name() {
        let (_directory, server, command) = server_and_command();
        let (key, claim) = (ObjectKey::listed("nar/a.nar"), Claim::new());
        assert!(server.enter_new_nar(&key, &nar_of_nothing()).await.unwrap());
        assert_eq!(server.nar(&key).await.unwrap(), Some(nar_of_nothing()));
        assert!(!server.enter_new_nar(&key, &nar_of_nothing()).await.unwrap());
        let removed = ObjectKey::listed("nar/b.nar");
        command.claim_orphans(std::slice::from_ref(&removed), &claim).await.unwrap();
        assert!(!server.enter_new_nar(&removed, &nar_of_nothing()).await.unwrap());
        assert_eq!(server.nar_state(&removed).await.unwrap(), Some(NarState::Deleting));
    }

    #[tokio::test]
    async fn half_an_order_is_never_committed() {
        let directory = tempfile::tempdir().unwrap();
        let mut index = SqliteIndex::new(directory.path().join("index.sqlite"), false);
        index.commit_thread.max_age = Duration::from_secs(3600);
        let (whole, half) = (ObjectKey::listed("nar/a.nar"), ObjectKey::listed("nar/b.nar"));
        index.put_nar(&whole, &nar_of_nothing()).await.unwrap();
        index.check().await.unwrap();
        let key = half.clone();
        let failed = index.transact_later(move |connection| {
            rows::put_nar(connection, &key, &nar_of_nothing(), now())?;
            connection.execute_batch("select nothing from nowhere")
        });
        assert!(failed.await.is_err());
        index.check().await.unwrap();
        assert!(index.nar(&whole).await.unwrap().is_some());
        assert_eq!(index.nar(&half).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_claim_that_another_process_takes_away_is_not_held() {
        let (_directory, server, command) = server_and_command();
        let key = ObjectKey::listed("nar/a.nar");
        let claim = Claim::new();
        let claimed = command.claim_orphans(std::slice::from_ref(&key), &claim).await.unwrap();
        let id = claimed.first().unwrap().id;
        assert!(command.holds(RowKind::Nars, id, &claim).await.unwrap());
        // It is not committed yet.
        server.put_nar(&key, &nar_of_nothing()).await.unwrap();
        assert!(!command.holds(RowKind::Nars, id, &claim).await.unwrap());
    }

    #[tokio::test]
    async fn a_command_beside_a_busy_server_gets_its_turn() {
        let (_directory, server, command) = server_and_command();
        let pushes = async {
            for number in 0.. {
                let key = ObjectKey::listed(&format!("nar/{number}.nar"));
                let _lock = server.lock(Exclusive::Nar(&key)).await.unwrap();
                server.put_nar(&key, &nar_of_nothing()).await.unwrap();
            }
        };
        let orders = async {
            for _ in 0..10 {
                command.check().await.unwrap();
            }
        };
        tokio::select! {
            () = pushes => unreachable!(),
            () = orders => {}
        }
    }
}
