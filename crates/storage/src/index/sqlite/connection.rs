//! The connection to the file of an index: opened when it is needed, and used by one at a time.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Mutex;

use super::{locks::FileLocks, rows, schema};
use crate::{
    blocking::blocking,
    index::{
        Index as _, IndexError,
        own_storage::{IndexOwner, OwnStorage, TRIED_PATHS},
    },
};

/// How long a command beside the server is waited for.
const INDEX_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The index in a file. Clones share it.
#[derive(Clone)]
pub struct SqliteIndex {
    pub(super) file: Arc<Path>,
    pub(super) connection: Arc<Mutex<Option<OpenIndex>>>,
    pub(super) locks: Arc<FileLocks>,
    pub(super) sync: bool,
    /// The storage that it must be of.
    storage: Option<Arc<OwnStorage>>,
}

/// An open file, and how its next transaction is committed.
pub(super) struct OpenIndex {
    pub(super) connection: Connection,
    pub(super) durability: Durability,
}

/// When a committed transaction survives a power loss, where the index is one that does (`sync`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
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

    pub(super) fn transact<T>(
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
        let locks = Arc::new(FileLocks::beside(&file));
        Self { file: file.into(), connection: Arc::default(), locks, sync, storage: None }
    }

    /// The same, refused when it is first used if it is the index of another storage.
    #[must_use]
    pub fn owned_by(self, owner: IndexOwner<'_>) -> Self {
        let storage = OwnStorage::of(owner).map(Arc::new);
        Self { storage, connection: Arc::default(), ..self }
    }

    /// Opens the file, unless it is the index of another storage.
    pub(super) async fn open(&self) -> Result<OpenIndex, IndexError> {
        let this = self.clone();
        let connection =
            self.step(move || schema::open(&this.file, INDEX_BUSY_TIMEOUT, this.sync)).await?;
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
        if !storage.claims() {
            return Ok(connection);
        }
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
    pub(super) async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        blocking(step).await.map_err(|error| IndexError::Unavailable {
            database: self.database(),
            why: error.to_string(),
        })?
    }

    /// Runs a question on the connection.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.run_on(|open| work(&mut open.connection)).await
    }

    /// Runs a question or order. A connection that fails is opened anew the next time.
    pub(super) async fn run_on<T: Send + 'static>(
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
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.commit(Durability::Now, work).await
    }

    /// The same for an order that may be lost with a power loss.
    pub(super) async fn transact_later<T: Send + 'static>(
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
    pub(super) async fn transact_if(
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
    pub(super) const fn durability(&self, wanted: Durability) -> Durability {
        if self.sync { wanted } else { Durability::Later }
    }

    pub(super) fn unavailable(&self, error: &rusqlite::Error) -> IndexError {
        schema::unavailable(&self.file, error)
    }
}
