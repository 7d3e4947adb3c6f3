//! The connection to an open file, and when its orders are committed.

use std::{
    hint,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// How long a thread looks for the connection to be free before it sleeps: most orders take less time than to be woken.
const LOCK_SPIN: Duration = Duration::from_micros(50);

/// An open file, and its transaction if there is one.
pub(super) struct OpenIndex {
    pub(super) connection: Connection,
    /// Whether orders were carried out that are not committed yet.
    pub(super) is_in_transaction: bool,
}

/// When an order is committed, and survives the end of the server; where the index is one that does (`sync`), also a power loss.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Before it is acknowledged.
    Now,
    /// With the next one that is committed at once, or some milliseconds later. Without it something is checked or noted again, and
    /// nothing that was acknowledged is lost: docs/decisions/0012-uploads.md has the reasons.
    Later,
}

impl OpenIndex {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, is_in_transaction: false }
    }

    /// Carries out an order. After an error the connection is of no use, and orders that were not committed are lost.
    pub(super) fn transact<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if !self.is_in_transaction {
            self.connection.prepare_cached("begin immediate")?.execute([])?;
        }
        // Half an order is not committed when the connection is dropped.
        let has_others = std::mem::take(&mut self.is_in_transaction);
        let result = work(&self.connection).inspect_err(|error| {
            if has_others {
                tracing::warn!(
                    "the last changes of the index are lost, and are made again: {error}"
                );
            }
        })?;
        self.is_in_transaction = true;
        if durability == Durability::Now {
            self.commit()?;
        }
        Ok(result)
    }

    /// Commits the orders that wait for it.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        if std::mem::take(&mut self.is_in_transaction) {
            self.connection.prepare_cached("commit")?.execute([])?;
        }
        Ok(())
    }
}

impl Drop for OpenIndex {
    /// The server ends.
    fn drop(&mut self) {
        if let Err(error) = self.commit() {
            tracing::warn!("the last changes of the index are lost, and are made again: {error}");
        }
    }
}

/// The connection of an index. Blocks for as long as another thread uses it.
pub(super) fn lock(connection: &Mutex<Option<OpenIndex>>) -> MutexGuard<'_, Option<OpenIndex>> {
    let end = Instant::now() + LOCK_SPIN;
    loop {
        match connection.try_lock() {
            Ok(open) => return open,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if Instant::now() > end => break,
            Err(TryLockError::WouldBlock) => hint::spin_loop(),
        }
    }
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
