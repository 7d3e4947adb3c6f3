//! The connection to the file of an index: opened when it is needed, and used by one at a time.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rns_cache::tasks_block_each_other;
use rusqlite::Connection;

use super::{
    commit_thread::CommitThread,
    locks::FileLocks,
    open_index::OpenIndex,
    orders::{Durability, IndexOrder},
    rows, schema,
    spinning_lock::lock,
};
use crate::{
    blocking::blocking,
    index::{
        Index as _, IndexError,
        own_storage::{IndexOwner, OwnStorage, TRIED_PATHS},
    },
};

/// The index in a file. Clones share it.
#[derive(Clone)]
pub struct SqliteIndex {
    pub(super) file: Arc<Path>,
    pub(super) connection: Arc<Mutex<Option<OpenIndex>>>,
    /// Waits for the connection: one task at a time does so on a thread of the pool.
    turn: Arc<tokio::sync::Mutex<()>>,
    pub(super) locks: Arc<FileLocks>,
    pub(super) sync: bool,
    pub(super) commit_thread: CommitThread,
    /// The storage that it must be of.
    storage: Option<Arc<OwnStorage>>,
}

impl SqliteIndex {
    /// The index in `file`, which is made when it is first used. `sync`: whether acknowledged changes survive a power
    /// loss.
    #[must_use]
    pub fn new(file: PathBuf, sync: bool) -> Self {
        let locks = Arc::new(FileLocks::beside(&file));
        Self {
            commit_thread: CommitThread::of(&file),
            file: file.into(),
            connection: Arc::default(),
            turn: Arc::default(),
            locks,
            sync,
            storage: None,
        }
    }

    /// The same, refused when it is first used if it is the index of another storage.
    #[must_use]
    pub fn owned_by(self, owner: IndexOwner<'_>) -> Self {
        let storage = OwnStorage::of(owner).map(Arc::new);
        let commit_thread = CommitThread::of(&self.file);
        Self { storage, connection: Arc::default(), commit_thread, ..self }
    }

    /// Opens the file, unless it is the index of another storage.
    pub(super) async fn open(&self) -> Result<OpenIndex, IndexError> {
        let this = self.clone();
        let open = self.step(move || OpenIndex::open(&this.file, this.sync)).await?;
        match &self.storage {
            Some(storage) => self.check_storage(open, storage).await,
            None => Ok(open),
        }
    }

    async fn check_storage(
        &self,
        open: OpenIndex,
        storage: &Arc<OwnStorage>,
    ) -> Result<OpenIndex, IndexError> {
        let this = self.clone();
        let asked = self.step(move || {
            let names = rows::storage_names(&open.connection);
            let paths = rows::published_after(&open.connection, None, TRIED_PATHS);
            let asked = names.and_then(|names| Ok((names, paths?)));
            let (names, paths) = asked.map_err(|error| this.unavailable(&error))?;
            Ok((open, names, paths))
        });
        let (mut open, names, paths) = asked.await?;
        if !names.is_empty() {
            storage.check_names(&names, &self.database())?;
            return Ok(open);
        }
        storage.check_paths(&paths, &self.database()).await?;
        if !storage.claims() {
            return Ok(open);
        }
        let (this, claimer) = (self.clone(), Arc::clone(storage));
        self.step(move || {
            let names = open.transact(Durability::Now, |connection| {
                rows::claim_for_storage(connection, claimer.name())
            });
            let names = names.map_err(|error| this.unavailable(&error))?;
            // Another process may have been faster.
            claimer.check_names(&names, &this.database())?;
            Ok(open)
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
        let turn = if tasks_block_each_other() {
            // A turn would be given to a task whose thread is busy with another one.
            None
        } else {
            Some(Arc::clone(&self.turn).lock_owned().await)
        };
        let this = self.clone();
        let (work, turn) = match self
            .step(move || Ok(this.carry_out(None, work)?.map_err(|work| (work, turn))))
            .await?
        {
            Ok(done) => return Ok(done),
            Err(not_open) => not_open,
        };
        let (this, opened) = (self.clone(), self.open().await?);
        let done = self.step(move || {
            let _turn = turn;
            this.carry_out(Some(opened), work)
        });
        let lost = || IndexError::Unavailable {
            database: self.database(),
            why: "its connection is lost".to_owned(),
        };
        done.await?.map_err(|_| lost())
    }

    /// Runs a question or order on the connection, or on this one if there is none. Blocks. Returns the work where there is no
    /// connection.
    fn carry_out<T, W>(
        &self,
        opened: Option<OpenIndex>,
        work: W,
    ) -> Result<Result<T, W>, IndexError>
    where
        W: FnOnce(&mut OpenIndex) -> rusqlite::Result<T>,
    {
        let mut slot = lock(&self.connection);
        let open = slot.take().or(opened);
        let Some(mut open) = open else { return Ok(Err(work)) };
        let result = work(&mut open).and_then(|result| {
            if open.is_in_transaction && !self.commit_thread.will_commit(&self.connection) {
                open.commit()?;
            }
            Ok(result)
        });
        let result = result.map_err(|error| self.unavailable(&error))?;
        *slot = Some(open);
        Ok(Ok(result))
    }

    /// Carries out an order of a push.
    pub(super) async fn order<O: IndexOrder>(&self, order: O) -> Result<O::Outcome, IndexError> {
        self.run_on(move |open| open.order(&order)).await
    }

    /// Runs an order as one transaction that excludes other writers from its first statement on.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.run_on(|open| open.transact(Durability::Now, work)).await
    }

    /// The same for an order that may be lost with the server.
    pub(super) async fn transact_later<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.run_on(|open| open.transact(Durability::Later, work)).await
    }

    /// As [`Self::transact`], where there is something to order, which is asked first: a question excludes no other writer.
    /// `false` where there is nothing.
    pub(super) async fn transact_if(
        &self,
        is_needed: impl FnOnce(&Connection) -> rusqlite::Result<bool> + Send + 'static,
        work: impl FnOnce(&Connection) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, IndexError> {
        self.run_on(move |open| {
            if !is_needed(&open.connection)? {
                return Ok(false);
            }
            open.transact(Durability::Now, work)
        })
        .await
    }

    /// Commits the orders that wait for it.
    pub(super) async fn commit(&self) -> Result<(), IndexError> {
        self.run_on(OpenIndex::commit).await
    }

    pub(super) fn unavailable(&self, error: &rusqlite::Error) -> IndexError {
        schema::unavailable(&self.file, error)
    }
}
