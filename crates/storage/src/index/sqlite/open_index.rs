//! The connection to an open file, and when its orders are committed.

use std::{fs, path::Path, time::Duration};

use rusqlite::Connection;

use super::{
    order_record::OrderRecord,
    orders::{Durability, IndexOrder},
    redo::redo,
    redo_log::{RedoLog, RedoState},
    rows, schema,
    wait_flag::WaitFlag,
    write_ahead::is_busy,
};
use crate::index::{IndexError, types::now};

/// How long a process waits for another one that writes to the index.
const INDEX_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// For the operator, when a transaction is lost. The orders in the redo log are not.
pub(super) const LOST: &str =
    "the last changes of the index could not be committed, and are made again";

/// An open file, and its transaction if there is one.
pub(super) struct OpenIndex {
    pub(super) connection: Connection,
    /// Whether orders were carried out that are not committed yet.
    pub(super) is_in_transaction: bool,
    redo_log: RedoLog,
    /// Whether orders may be in the log alone: a log does not survive a power loss.
    uses_log: bool,
    wait_flag: WaitFlag,
}

impl OpenIndex {
    /// Opens the index in this file, and carries out what a process that was killed had in its log. Blocks.
    pub(super) fn open(index: &Path, sync: bool) -> Result<Self, IndexError> {
        let connection = schema::open(index, INDEX_BUSY_TIMEOUT, sync)?;
        // Other processes may have another name for the file, and must find the same log.
        let named = fs::canonicalize(index).map_err(|error| IndexError::Unavailable {
            database: index.display().to_string(),
            why: error.to_string(),
        })?;
        let mut open = Self {
            connection,
            is_in_transaction: false,
            redo_log: RedoLog::beside(&named),
            uses_log: !sync,
            wait_flag: WaitFlag::beside(index),
        };
        if let Err(error) = open.redo_if_needed() {
            // Questions can be answered. Each transaction tries it again before it writes.
            tracing::warn!(
                "the index in {} lacks what is in {}: {error}",
                index.display(),
                open.redo_log.path().display()
            );
            if !open.connection.is_autocommit() {
                // Otherwise it would keep others from writing.
                return Err(schema::unavailable(index, &error));
            }
        }
        Ok(open)
    }

    fn redo_if_needed(&mut self) -> rusqlite::Result<()> {
        let state = rows::redo_state(&self.connection)?;
        if self.logged_after(state)?.is_empty() {
            return Ok(());
        }
        // They may be of a process that commits them in a moment: this transaction waits for it.
        let begun = self.begin();
        if !self.connection.is_autocommit() {
            self.connection.execute_batch(if begun.is_ok() { "commit" } else { "rollback" })?;
        }
        begun
    }

    /// Begins a transaction that excludes other writers. Before that, it carries out what a process that was killed has left.
    fn begin(&mut self) -> rusqlite::Result<()> {
        loop {
            self.begin_immediate()?;
            let state = rows::redo_state(&self.connection)?;
            let frames = self.logged_after(state)?;
            let Some((last, _)) = frames.last() else {
                self.redo_log.begin(state);
                return Ok(());
            };
            for (_, orders) in &frames {
                redo(&self.connection, orders)?;
            }
            rows::end_redo(&self.connection, *last)?;
            // Before another frame takes their place.
            self.connection.prepare_cached("commit")?.execute([])?;
        }
    }

    fn begin_immediate(&self) -> rusqlite::Result<()> {
        let begin = || self.connection.prepare_cached("begin immediate")?.execute([]);
        self.connection.busy_timeout(Duration::ZERO)?;
        let begun = begin();
        self.connection.busy_timeout(INDEX_BUSY_TIMEOUT)?;
        match begun {
            Err(error) if is_busy(&error) => {
                // A flag that cannot be raised makes the other one share later.
                let _raised = self.wait_flag.raise();
                begin().map(|_| ())
            }
            begun => begun.map(|_| ()),
        }
    }

    fn logged_after(&mut self, state: RedoState) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
        self.redo_log.frames_after(state).map_err(|error| {
            let why = format!("{} cannot be read: {error}", self.redo_log.path().display());
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
            rusqlite::Error::SqliteFailure(code, Some(why))
        })
    }

    /// Carries out an order of a push.
    pub(super) fn order<O: IndexOrder>(&mut self, order: &O) -> rusqlite::Result<O::Outcome> {
        let at = now();
        let outcome = self.carry_out(|connection| order.carry_out(connection, at))?;
        let needs_commit = match order.durability(&outcome) {
            Durability::Now => true,
            Durability::Logged => !self.log(order, at, true),
            Durability::Later => {
                self.log(order, at, false);
                false
            }
        };
        if needs_commit {
            self.commit()?;
        }
        Ok(outcome)
    }

    /// Notes an order for the log, and writes the log if `writes`. Returns true if it was written.
    fn log<O: IndexOrder>(&mut self, order: &O, at: i64, writes: bool) -> bool {
        if !self.uses_log {
            return false;
        }
        let noted = self.redo_log.note(&OrderRecord { at, order: order.record() });
        let written = noted.and_then(|()| if writes { self.redo_log.write() } else { Ok(false) });
        written.unwrap_or_else(|error| {
            tracing::warn!(
                "{} cannot be written, and each path is committed: {error}",
                self.redo_log.path().display()
            );
            self.uses_log = false;
            false
        })
    }

    /// Carries out an order that has no place in the log.
    pub(super) fn transact<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let result = self.carry_out(work)?;
        if durability != Durability::Later {
            self.commit()?;
        }
        Ok(result)
    }

    /// Carries out an order. After an error the connection is of no use, and orders that are neither committed nor logged are lost.
    fn carry_out<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if self.is_in_transaction {
            self.check_transaction()?;
        } else {
            self.begin()?;
        }
        // Half an order is not committed when the connection is dropped.
        let has_others = std::mem::take(&mut self.is_in_transaction);
        let result = work(&self.connection).inspect_err(|error| {
            if has_others {
                tracing::warn!("{LOST}: {error}");
            }
        })?;
        self.is_in_transaction = true;
        Ok(result)
    }

    /// SQLite ends a transaction itself when a question or order in it fails for lack of memory, of space, or of a working disk.
    fn check_transaction(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT);
            let why = "the transaction was rolled back".to_owned();
            return Err(rusqlite::Error::SqliteFailure(code, Some(why)));
        }
        Ok(())
    }

    /// Commits the orders that wait for it.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        if std::mem::take(&mut self.is_in_transaction) {
            self.check_transaction()?;
            if let Some(frame) = self.redo_log.written() {
                rows::end_redo(&self.connection, frame)?;
            }
            self.connection.prepare_cached("commit")?.execute([])?;
        }
        Ok(())
    }
}

impl Drop for OpenIndex {
    /// The server ends.
    fn drop(&mut self) {
        if let Err(error) = self.commit() {
            tracing::warn!("{LOST}: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
