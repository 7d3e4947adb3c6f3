//! The connection to an open file, and when its orders are committed.

use std::{
    fs, hint,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

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

/// How long a thread looks for the connection to be free before it sleeps: most orders take less time than to be woken.
const LOCK_SPIN: Duration = Duration::from_micros(50);

/// How long a command beside the server is waited for.
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
        match order.durability(&outcome) {
            Durability::Now => self.commit()?,
            Durability::Later => _ = self.log(order, at, false),
            Durability::Logged if self.log(order, at, true) => {}
            Durability::Logged => self.commit()?,
        }
        Ok(outcome)
    }

    /// Notes an order for the log, and writes the log. Returns false if the order is not in the log.
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

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::symlink,
        path::PathBuf,
    };

    use rns_cache::Pusher;
    use rns_formats::{HashPart, Sha256Digest, StorePath};

    use super::{
        super::orders::{BeginPublish, EndPublish, EnterNewNar},
        *,
    };
    use crate::{
        index::{IndexedNar, NewPath, PathState, Push},
        objects::ObjectKey,
    };

    fn path(name: &str) -> StorePath {
        let digest = Sha256Digest::of(name.as_bytes()).to_nix32();
        StorePath::parse(&format!("{}-{name}", digest.get(..32).unwrap())).unwrap()
    }

    fn pusher() -> Pusher {
        Pusher { name: "token \"ci\"\n".to_owned(), address: Some("::1".to_owned()) }
    }

    impl OpenIndex {
        /// Stores a NAR and begins to publish its path.
        fn begin_push(&mut self, name: &str, references: &[&str]) {
            let (key, digest) =
                (ObjectKey::listed(&format!("nar/{name}.nar")), Sha256Digest::of(b""));
            let nar = IndexedNar { file_hash: digest, file_size: 0, nar_hash: digest, nar_size: 0 };
            assert!(self.order(&EnterNewNar { key: key.clone(), nar }).unwrap());
            let path = NewPath {
                path: path(name),
                nar: key,
                nar_size: 0,
                file_size: 0,
                references: references.iter().map(|name| path(name)).collect(),
                deriver: Some(path("deriver.drv")),
                elsewhere: vec![path("elsewhere").hash_part()],
            };
            let begun = self.order(&BeginPublish { path, pusher: Some(pusher()) }).unwrap();
            assert_eq!(begun, None);
        }

        fn end_push(&mut self, name: &str) {
            let hash = path(name).hash_part();
            self.order(&EndPublish { hash, pusher: Some(pusher()) }).unwrap();
        }

        fn state(&self, name: &str) -> Option<PathState> {
            rows::state(&self.connection, &path(name).hash_part()).unwrap()
        }

        fn pushes(&self, name: &str) -> Vec<Push> {
            rows::pushes(&self.connection, &path(name).hash_part()).unwrap()
        }

        /// The end of the connection, and of its locks, when its process is killed.
        fn kill(mut self) {
            self.is_in_transaction = false;
        }
    }

    /// The file of an index whose process was killed after it had published one path and begun another one.
    fn of_killed() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let mut killed = OpenIndex::open(&file, false).unwrap();
        killed.begin_push("one", &["elsewhere"]);
        killed.end_push("one");
        killed.begin_push("two", &["one"]);
        killed.kill();
        (directory, file)
    }

    #[test]
    fn orders_of_a_killed_process_are_carried_out_again() {
        let (_directory, file) = of_killed();
        // Each of them is the next process.
        for sync in [true, false] {
            let open = OpenIndex::open(&file, sync).unwrap();
            assert_eq!(open.state("one"), Some(PathState::Published));
            assert_eq!(open.state("two"), Some(PathState::Publishing));
            assert_eq!(open.state("elsewhere"), Some(PathState::Elsewhere));
            for (name, is_confirmed) in [("one", true), ("two", false)] {
                let pushes = open.pushes(name);
                assert_eq!(pushes.len(), 1);
                assert_eq!(pushes[0].pusher, pusher());
                assert_eq!(pushes[0].is_confirmed, is_confirmed);
            }
        }
    }

    #[test]
    fn they_are_carried_out_before_any_order_of_a_process_that_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let mut other = OpenIndex::open(&file, true).unwrap();
        for number in 0..3 {
            let mut killed = OpenIndex::open(&file, false).unwrap();
            let names = [format!("{number}-one"), format!("{number}-two")];
            names.iter().for_each(|name| killed.begin_push(name, &[]));
            killed.kill();
            let state = other.transact(Durability::Later, |connection| {
                rows::state(connection, &path(&names[1]).hash_part())
            });
            assert_eq!(state.unwrap(), Some(PathState::Publishing));
            other.commit().unwrap();
        }
    }

    #[test]
    fn a_frame_that_is_not_whole_and_all_after_it_are_left_out() {
        let (_directory, file) = of_killed();
        let log = RedoLog::beside(&file).path();
        let length = fs::metadata(&log).unwrap().len();
        File::options().write(true).open(&log).unwrap().set_len(length - 1).unwrap();
        let open = OpenIndex::open(&file, false).unwrap();
        // The NAR of the second path was noted with it.
        assert_eq!(open.state("one"), Some(PathState::Publishing));
        assert_eq!(open.state("two"), None);
    }

    #[test]
    fn an_older_log_and_that_of_another_index_mean_nothing() {
        let (directory, file) = of_killed();
        let log = RedoLog::beside(&file).path();
        let older = fs::read(&log).unwrap();
        let mut open = OpenIndex::open(&file, false).unwrap();
        let forgotten: [HashPart; 2] = [path("one").hash_part(), path("two").hash_part()];
        open.transact(Durability::Now, |connection| {
            forgotten.iter().try_for_each(|hash| rows::forget_path(connection, hash))
        })
        .unwrap();
        drop(open);
        fs::write(&log, &older).unwrap();
        let open = OpenIndex::open(&file, false).unwrap();
        assert_ne!(open.state("one"), Some(PathState::Published));
        let other = directory.path().join("other.sqlite");
        fs::write(RedoLog::beside(&other).path(), &older).unwrap();
        assert_eq!(OpenIndex::open(&other, false).unwrap().state("one"), None);
    }

    #[test]
    fn what_cannot_be_logged_is_committed() {
        let directory = tempfile::tempdir().unwrap();
        for (name, sync) in [("full", false), ("synced", true)] {
            let file = directory.path().join(format!("{name}.sqlite"));
            if !sync {
                symlink("/dev/full", RedoLog::beside(&file).path()).unwrap();
            }
            let mut open = OpenIndex::open(&file, sync).unwrap();
            open.begin_push("one", &[]);
            assert!(!open.is_in_transaction);
            open.begin_push("two", &[]);
            open.kill();
            let open = OpenIndex::open(&file, sync).unwrap();
            assert_eq!(open.state("two"), Some(PathState::Publishing), "{name}");
        }
    }

    #[test]
    fn what_sqlite_has_rolled_back_is_carried_out_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let mut open = OpenIndex::open(&file, false).unwrap();
        open.begin_push("one", &[]);
        // As it does itself when a disk fails.
        open.connection.execute_batch("rollback").unwrap();
        assert!(open.transact(Durability::Later, |_| Ok(())).is_err());
        drop(open);
        let open = OpenIndex::open(&file, false).unwrap();
        assert_eq!(open.state("one"), Some(PathState::Publishing));
    }

    #[test]
    fn older_frames_behind_a_new_one_mean_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let mut open = OpenIndex::open(&file, false).unwrap();
        open.begin_push("one", &[]);
        open.begin_push("two", &[]);
        open.commit().unwrap();
        open.begin_push("six", &[]);
        open.commit().unwrap();
        // An older state of the index, as after a power loss.
        open.connection
            .execute_batch("delete from pushes; delete from paths; delete from nars; update redo set committed = 0")
            .unwrap();
        // Its frame has the length and the number of the older one.
        open.begin_push("new", &[]);
        open.kill();
        let open = OpenIndex::open(&file, false).unwrap();
        assert_eq!(open.state("new"), Some(PathState::Publishing));
        assert_eq!(open.state("two"), None);
    }

    #[test]
    fn a_log_that_was_removed_or_moved_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let mut open = OpenIndex::open(&file, false).unwrap();
        let log = open.redo_log.path();
        open.begin_push("one", &[]);
        open.commit().unwrap();
        fs::remove_file(&log).unwrap();
        open.begin_push("two", &[]);
        open.commit().unwrap();
        fs::rename(&log, directory.path().join("elsewhere")).unwrap();
        open.begin_push("six", &[]);
        open.kill();
        let open = OpenIndex::open(&file, false).unwrap();
        for name in ["one", "two", "six"] {
            assert_eq!(open.state(name), Some(PathState::Publishing), "{name}");
        }
    }
}
