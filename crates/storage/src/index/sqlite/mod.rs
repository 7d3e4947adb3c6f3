//! The index in a SQLite file, for one server and the commands beside it.

mod claims;
mod collection;
mod collector;
mod documents;
mod locks;
mod root_index;
mod roots;
mod rows;
mod schema;
mod snapshot;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rns_cache::Pusher;
use rns_formats::HashPart;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Mutex;

use self::locks::Locks;
use super::{
    Exclusive, ImportedPath, Index, IndexError, IndexLock, IndexedNar, NarState, NewPath,
    PathState, PublishRefusal, Push,
    own_storage::{OwnStorage, TRIED_PATHS},
    types::now,
};
use crate::{
    blocking::blocking,
    objects::{ObjectKey, Objects, StorageName},
};

/// How long a command beside the server is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The index in a file. Clones share it.
#[derive(Clone)]
pub struct SqliteIndex {
    file: Arc<Path>,
    connection: Arc<Mutex<Option<OpenIndex>>>,
    locks: Arc<Locks>,
    sync: bool,
    /// The storage that it must be of.
    storage: Option<Arc<OwnStorage>>,
}

/// An open file, and how its next transaction is committed.
struct OpenIndex {
    connection: Connection,
    durability: Durability,
}

/// When a committed transaction survives a power loss, where the index is one that does (`sync`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// As soon as it is committed.
    Now,
    /// With the next one that survives at once. Without it something is checked or noted again, and nothing that was
    /// acknowledged is lost: docs/decisions/0012-uploads.md has the reasons.
    Later,
}

impl OpenIndex {
    /// Says how transactions are committed from now on.
    fn set(&mut self, durability: Durability) -> rusqlite::Result<()> {
        if self.durability != durability {
            self.connection.execute_batch(match durability {
                Durability::Now => "pragma synchronous = full",
                Durability::Later => "pragma synchronous = normal",
            })?;
            self.durability = durability;
        }
        Ok(())
    }

    fn transact<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.set(durability)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

impl SqliteIndex {
    /// The index in `file`, which is made when it is first used. `sync`: whether acknowledged changes survive a power
    /// loss.
    #[must_use]
    pub fn new(file: PathBuf, sync: bool) -> Self {
        let locks = Arc::new(Locks::beside(&file));
        Self { file: file.into(), connection: Arc::default(), locks, sync, storage: None }
    }

    /// The same, used only if it is the index of this storage. One that is of none yet is of this one from now on, unless it
    /// has paths, and the storage has none of those that are tried.
    #[must_use]
    pub fn of_storage(self, objects: &Objects) -> Self {
        let storage = OwnStorage::of(objects).map(Arc::new);
        Self { storage, connection: Arc::default(), ..self }
    }

    /// Opens the file, unless it is the index of another storage.
    async fn open(&self) -> Result<OpenIndex, IndexError> {
        let this = self.clone();
        let connection =
            self.step(move || schema::open(&this.file, BUSY_TIMEOUT, this.sync)).await?;
        let connection = match &self.storage {
            Some(storage) => self.check_storage(connection, storage).await?,
            None => connection,
        };
        Ok(OpenIndex { connection, durability: self.durability(Durability::Now) })
    }

    async fn check_storage(
        &self,
        connection: Connection,
        storage: &Arc<OwnStorage>,
    ) -> Result<Connection, IndexError> {
        let this = self.clone();
        let asked = self.step(move || {
            let names = rows::storage_names(&connection);
            let paths = rows::published_after(&connection, None, TRIED_PATHS);
            let asked = names.and_then(|names| Ok((names, paths?)));
            let (names, paths) = asked.map_err(|error| this.unavailable(&error))?;
            Ok((connection, names, paths))
        });
        let (connection, names, paths) = asked.await?;
        if !names.is_empty() {
            storage.check_names(&names, &self.database())?;
            return Ok(connection);
        }
        storage.check_paths(&paths, &self.database()).await?;
        let (this, claimer) = (self.clone(), Arc::clone(storage));
        self.step(move || {
            let names = rows::claim_for_storage(&connection, claimer.name());
            let names = names.map_err(|error| this.unavailable(&error))?;
            // Another process may have been faster.
            claimer.check_names(&names, &this.database())?;
            Ok(connection)
        })
        .await
    }

    /// Runs a step on a thread that may block.
    async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        blocking(step).await.map_err(|error| IndexError::Unavailable {
            database: self.database(),
            why: error.to_string(),
        })?
    }

    /// Runs a question on the connection.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.run_on(|open| work(&mut open.connection)).await
    }

    /// Runs a question or order. A connection that fails is opened anew the next time.
    async fn run_on<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut OpenIndex) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        let this = self.clone();
        // Waited for here: threads that wait for each other would be one for each client.
        let mut slot = Arc::clone(&self.connection).lock_owned().await;
        let mut open = match slot.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        self.step(move || {
            let result = work(&mut open).map_err(|error| this.unavailable(&error));
            if result.is_ok() {
                *slot = Some(open);
            }
            result
        })
        .await
    }

    /// Runs an order as one transaction that excludes other writers from its first statement on.
    async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.commit(Durability::Now, work).await
    }

    /// The same for an order that may be lost with a power loss.
    async fn transact_later<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.commit(Durability::Later, work).await
    }

    async fn commit<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        let durability = self.durability(durability);
        self.run_on(move |open| open.transact(durability, work)).await
    }

    /// As [`Self::transact`], where there is something to order, which is asked first: a question excludes no other writer.
    /// `false` where there is nothing.
    async fn transact_if(
        &self,
        is_needed: impl FnOnce(&Connection) -> rusqlite::Result<bool> + Send + 'static,
        work: impl FnOnce(&Connection) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, IndexError> {
        let durability = self.durability(Durability::Now);
        self.run_on(move |open| {
            if !is_needed(&open.connection)? {
                return Ok(false);
            }
            open.transact(durability, work)
        })
        .await
    }

    /// Without `sync` nothing survives at once.
    const fn durability(&self, wanted: Durability) -> Durability {
        if self.sync { wanted } else { Durability::Later }
    }

    fn unavailable(&self, error: &rusqlite::Error) -> IndexError {
        schema::unavailable(&self.file, error)
    }
}

#[async_trait]
impl Index for SqliteIndex {
    async fn nar(&self, key: &ObjectKey) -> Result<Option<IndexedNar>, IndexError> {
        let key = key.clone();
        self.run(move |connection| rows::nar(connection, &key)).await
    }

    async fn put_nar(&self, key: &ObjectKey, nar: &IndexedNar) -> Result<(), IndexError> {
        let (key, nar) = (key.clone(), *nar);
        self.transact_later(move |connection| rows::put_nar(connection, &key, &nar, now())).await
    }

    async fn nar_state(&self, key: &ObjectKey) -> Result<Option<NarState>, IndexError> {
        let key = key.clone();
        self.run(move |connection| rows::nar_state(connection, &key)).await
    }

    async fn begin_nar(&self, key: &ObjectKey) -> Result<bool, IndexError> {
        let key = key.clone();
        let now = self.durability(Durability::Now);
        self.run_on(move |open| {
            // Without a row its file keeps it, which is new. A collector that claims an older one asks once more under the lock,
            // which is held until `put_nar` has taken the claim away.
            if rows::nar_state(&open.connection, &key)?.is_none() {
                return Ok(true);
            }
            open.transact(now, |connection| claims::begin_nar(connection, &key))
        })
        .await
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
            move |connection| rows::touch_nar(connection, &key),
        )
        .await
    }

    async fn begin_publish(
        &self,
        path: &NewPath,
        pusher: Option<&Pusher>,
    ) -> Result<Option<PublishRefusal>, IndexError> {
        let (path, pusher) = (path.clone(), pusher.cloned());
        self.transact(move |connection| rows::begin_publish(connection, &path, pusher.as_ref()))
            .await
    }

    async fn end_publish(
        &self,
        hash: &HashPart,
        pusher: Option<&Pusher>,
    ) -> Result<(), IndexError> {
        let (hash, pusher) = (*hash, pusher.cloned());
        self.transact_later(move |connection| rows::end_publish(connection, &hash, pusher.as_ref()))
            .await
    }

    async fn touch_path(&self, hash: &HashPart) -> Result<bool, IndexError> {
        let hash = *hash;
        self.transact(move |connection| rows::touch_path(connection, &hash)).await
    }

    async fn states(&self, hashes: &[HashPart]) -> Result<Vec<Option<PathState>>, IndexError> {
        let hashes = hashes.to_vec();
        self.run(move |connection| {
            hashes.iter().map(|hash| rows::state(connection, hash)).collect()
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
    use rns_formats::Sha256Digest;

    use super::*;

    #[tokio::test]
    async fn a_nar_that_the_index_knew_and_one_that_is_promised_survive_a_power_loss() {
        let directory = tempfile::tempdir().unwrap();
        let index = SqliteIndex::new(directory.path().join("index.sqlite"), true);
        let is_flushed = async || {
            let open = index.connection.lock().await;
            open.as_ref().is_some_and(|open| open.durability == Durability::Now)
        };
        let key = ObjectKey::listed("nar/a.nar");
        assert!(index.begin_nar(&key).await.unwrap());
        assert_eq!(index.nar_state(&key).await.unwrap(), None, "its file is new and keeps it");
        let digest = Sha256Digest::of(b"");
        let nar = IndexedNar { file_hash: digest, file_size: 0, nar_hash: digest, nar_size: 0 };
        index.put_nar(&key, &nar).await.unwrap();
        assert!(!is_flushed().await);
        assert!(index.begin_nar(&key).await.unwrap());
        assert!(is_flushed().await);
        index.put_nar(&ObjectKey::listed("nar/b.nar"), &nar).await.unwrap();
        assert!(!is_flushed().await);
        assert!(index.keep_nar(&ObjectKey::listed("nar/c.nar")).await.unwrap());
        assert!(is_flushed().await);
    }
}
