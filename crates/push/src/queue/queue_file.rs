//! Paths that are to be pushed, in a SQLite file: it outlives crashes and reboots, and many hooks write it at once.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rns_formats::StorePath;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{
    error::QueueError,
    hook,
    schema::{self, now},
    status::{FailingPath, QueueStatus},
};

/// The pause after the first failure of a path, in seconds. It doubles with each.
const FIRST_PAUSE_SECONDS: i64 = 60;

/// The longest pause after a failure, in seconds.
const MAX_PAUSE_SECONDS: i64 = 3600;

/// Failing paths that a status names.
const MAX_NAMED_FAILURES: i64 = 100;

/// The queue. Clones share its connection.
#[derive(Clone)]
pub struct Queue {
    file: Arc<Path>,
    connection: Arc<Mutex<Connection>>,
}

/// A path in the queue.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) number: i64,
    pub(super) path: StorePath,
}

impl Queue {
    /// Opens a queue, and makes it with its directory if it is not there.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(file: &Path) -> Result<Self, QueueError> {
        let connection = schema::open(file)?;
        Ok(Self { file: file.into(), connection: Arc::new(Mutex::new(connection)) })
    }

    /// Adds paths, and notes up to which row of the store's database paths were looked at. A path that waits already is
    /// tried soon. Returns the number of new ones.
    ///
    /// # Errors
    /// When the queue cannot be written, or is full.
    pub fn add(&self, paths: &[StorePath], seen_row: Option<i64>) -> Result<usize, QueueError> {
        let mut connection = self.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(self.failed())?;
        if !paths.is_empty() && schema::is_full(&transaction).map_err(self.failed())? {
            return Err(QueueError::Full { file: self.file.to_path_buf() });
        }
        let mut new = 0;
        for path in paths {
            let insert = "insert or ignore into Paths (path, added) values (?1, ?2)";
            let is_new = transaction
                .prepare_cached(insert)
                .and_then(|mut statement| statement.execute(params![path.as_str(), now()]))
                .map_err(self.failed())?;
            new += is_new;
            if is_new == 0 {
                let soon = "update Paths set nextTry = 0 where path = ?1";
                transaction.execute(soon, [path.as_str()]).map_err(self.failed())?;
            }
        }
        if let Some(row) = seen_row {
            let note = "insert or replace into Notes (name, value) values ('seenRow', ?1)";
            transaction.execute(note, [row]).map_err(self.failed())?;
        }
        transaction.commit().map_err(self.failed())?;
        Ok(new)
    }

    /// The row of the store's database up to which paths were looked at.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub fn seen_row(&self) -> Result<Option<i64>, QueueError> {
        let note = "select value from Notes where name = 'seenRow'";
        self.lock().query_row(note, [], |row| row.get(0)).optional().map_err(self.failed())
    }

    /// Has all paths of the store looked at from its first row on, once in the life of the queue. Returns false if that
    /// was begun before.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub(super) fn begin_with_existing(&self) -> Result<bool, QueueError> {
        let mut connection = self.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(self.failed())?;
        let begun = "insert or ignore into Notes (name, value) values ('existing', 1)";
        let is_new = transaction.execute(begun, []).map_err(self.failed())? == 1;
        if is_new {
            let first = "insert or replace into Notes (name, value) values ('seenRow', 0)";
            transaction.execute(first, []).map_err(self.failed())?;
        }
        transaction.commit().map_err(self.failed())?;
        Ok(is_new)
    }

    /// Returns true if a path is to be tried now. A pause that is longer than any is of a clock that was wrong.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub fn is_due(&self) -> Result<bool, QueueError> {
        self.take_in()?;
        let due = "select exists(select 1 from Paths where nextTry not between ?1 + 1 and ?1 + ?2)";
        let values = [now(), MAX_PAUSE_SECONDS];
        self.lock().query_row(due, values, |row| row.get(0)).map_err(self.failed())
    }

    /// The state of the queue.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn status(&self) -> Result<QueueStatus, QueueError> {
        self.take_in()?;
        let connection = self.lock();
        let failures = "select path, attempts, nextTry, error from Paths where error is not null \
                        order by number limit ?1";
        let numbers = "select count(*), min(added), count(error) from Paths";
        let (waiting, oldest, failing) = connection
            .query_row(numbers, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(self.failed())?;
        let mut statement = connection.prepare(failures).map_err(self.failed())?;
        let failures = statement
            .query_map([MAX_NAMED_FAILURES], |row| {
                Ok(FailingPath {
                    path: row.get(0)?,
                    attempts: row.get(1)?,
                    next_try: row.get(2)?,
                    error: row.get(3)?,
                })
            })
            .and_then(Iterator::collect)
            .map_err(self.failed())?;
        Ok(QueueStatus { waiting, oldest, failing, failures })
    }

    /// The next paths after the one with this number; with `only_due`, those that are to be tried now.
    pub(super) fn next(
        &self,
        after: i64,
        only_due: bool,
        most: usize,
    ) -> Result<Vec<Queued>, QueueError> {
        self.take_in()?;
        let connection = self.lock();
        let question = "select number, path from Paths where number > ?1 \
                        and (nextTry not between ?2 + 1 and ?2 + ?3 or not ?4) order by number limit ?5";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = params![after, now(), MAX_PAUSE_SECONDS, only_due, most];
        let mut statement = connection.prepare_cached(question).map_err(self.failed())?;
        let found: Vec<(i64, String)> = statement
            .query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(self.failed())?;
        let paths = found.into_iter().filter_map(|(number, path)| {
            Some(Queued { number, path: StorePath::parse(&path).ok()? })
        });
        Ok(paths.collect())
    }

    /// A path is there, or is not wanted. One that was added anew meanwhile has another number, and stays.
    pub(super) fn done(&self, queued: &Queued) -> Result<(), QueueError> {
        let delete = "delete from Paths where number = ?1 and path = ?2";
        let done = self.lock().execute(delete, params![queued.number, queued.path.as_str()]);
        done.map(|_| ()).map_err(self.failed())
    }

    /// A path has failed, and is tried later.
    pub(super) fn failed_path(&self, queued: &Queued, error: &str) -> Result<(), QueueError> {
        let later = "update Paths set attempts = attempts + 1, error = ?2, \
                     nextTry = ?3 + min(?4 << min(attempts, 16), ?5) where number = ?1";
        let values = params![queued.number, error, now(), FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS];
        self.lock().execute(later, values).map(|_| ()).map_err(self.failed())
    }

    /// Adds the paths that hooks have left beside the file while it was locked.
    pub(super) fn take_in(&self) -> Result<(), QueueError> {
        let failed = |source| QueueError::Io { file: self.file.to_path_buf(), source };
        let (paths, files) = hook::left(&self.file).map_err(failed)?;
        if files.is_empty() {
            return Ok(());
        }
        match self.add(&paths, None) {
            // They stay where they are, and the queue can be drained.
            Err(QueueError::Full { .. }) => return Ok(()),
            added => added?,
        };
        // One that stays is added again, which changes nothing.
        files.iter().for_each(|file| _ = fs::remove_file(file));
        Ok(())
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The connection, while no other thread uses it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an error of the queue of one of its database.
    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> QueueError + use<> {
        let file = self.file.to_path_buf();
        move |source| QueueError::Database { file: file.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn path(number: usize) -> StorePath {
        StorePath::parse(&format!("{number:032}-x")).unwrap()
    }

    #[test]
    fn many_hooks_add_at_once_and_nothing_is_lost_or_doubled() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("below/queue.sqlite");
        thread::scope(|scope| {
            for hook in 0..16 {
                let file = &file;
                scope.spawn(move || {
                    for number in 0..20 {
                        // Every path is added by two of them.
                        let paths = [path(hook / 2 * 100 + number)];
                        Queue::open(file).unwrap().add(&paths, None).unwrap();
                    }
                });
            }
        });
        assert_eq!(Queue::open(&file).unwrap().status().unwrap().waiting, 160);
    }

    #[test]
    fn a_failing_path_waits_longer_each_time_and_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::open(&directory.path().join("queue.sqlite")).unwrap();
        queue.add(&[path(1), path(2)], Some(7)).unwrap();
        assert_eq!(queue.seen_row().unwrap(), Some(7));
        let first = queue.next(0, true, 1).unwrap().remove(0);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            queue.failed_path(&first, "refused").unwrap();
            let next = queue.status().unwrap().failures[0].next_try;
            pauses.push(next - now());
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!((58..=60).contains(&pauses[0]) && pauses[7] > 3590, "{pauses:?}");
        let due = queue.next(0, true, 9).unwrap();
        assert_eq!(due.iter().map(|queued| &queued.path).collect::<Vec<_>>(), [&path(2)]);
        assert_eq!(queue.next(0, false, 9).unwrap().len(), 2);
        assert_eq!((queue.retry().unwrap(), queue.next(0, true, 9).unwrap().len()), (1, 2));
        assert_eq!((queue.drop_all(true).unwrap(), queue.drop_paths(&[path(2)]).unwrap()), (1, 1));
        assert!(!queue.is_due().unwrap());
    }

    #[test]
    fn a_queue_of_the_first_version_adds_the_existing_paths_once_more_only_if_it_never_looked() {
        for (seen, begins) in [(Some(7), false), (None, true)] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("queue.sqlite");
            Queue::open(&file).unwrap().add(&[path(1)], seen).unwrap();
            let earlier = Connection::open(&file).unwrap();
            earlier.execute_batch("drop table Outage; pragma user_version = 1;").unwrap();
            drop(earlier);
            let queue = Queue::open(&file).unwrap();
            assert_eq!(queue.begin_with_existing().unwrap(), begins);
            assert_eq!(queue.seen_row().unwrap(), seen.or(Some(0)));
            assert_eq!(queue.status().unwrap().waiting, 1);
        }
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::open(&directory.path().join("queue.sqlite")).unwrap();
        queue.add(&[], Some(7)).unwrap();
        assert!(queue.begin_with_existing().unwrap(), "a used queue of this version may begin");
    }

    #[test]
    fn a_pause_of_a_clock_that_was_ahead_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::open(&directory.path().join("queue.sqlite")).unwrap();
        queue.add(&[path(1), path(2)], None).unwrap();
        let first = queue.next(0, true, 1).unwrap().remove(0);
        queue.failed_path(&first, "refused").unwrap();
        let pause = |more: i64| {
            queue.lock().execute("update Paths set nextTry = ?1", [now() + more]).unwrap();
            (queue.is_due().unwrap(), queue.next(0, true, 9).unwrap().len())
        };
        // A machine without a battery, or one that was asleep, comes up years ahead.
        assert_eq!(pause(400 * 86_400), (true, 2));
        assert_eq!(pause(MAX_PAUSE_SECONDS - 5), (false, 0));
        assert_eq!(pause(-400 * 86_400), (true, 2));
    }

    #[test]
    fn a_full_queue_can_be_read_and_emptied_and_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("queue.sqlite");
        let queue = Queue::open(&file).unwrap();
        let many: Vec<StorePath> = (0..=schema::MAX_QUEUED as usize).map(path).collect();
        queue.add(&many, None).unwrap();
        assert!(matches!(queue.add(&[path(5_000)], None), Err(QueueError::Full { .. })));
        // A hook has found it locked before.
        let beside = directory.path().join("queue.added");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("1-1"), format!("{}\n", path(5_001))).unwrap();
        assert_eq!(queue.status().unwrap().waiting, many.len() as i64);
        assert!(queue.is_due().unwrap() && !queue.next(0, true, 1).unwrap().is_empty());
        assert_eq!(queue.drop_paths(&many).unwrap(), many.len());
        assert_eq!(queue.status().unwrap().waiting, 1);
        assert_eq!(queue.drop_paths(&[path(5_001)]).unwrap(), 1);
    }

    #[test]
    fn a_path_that_comes_back_while_it_is_pushed_stays() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::open(&directory.path().join("queue.sqlite")).unwrap();
        queue.add(&[path(1)], None).unwrap();
        let queued = queue.next(0, true, 1).unwrap().remove(0);
        queue.drop_all(false).unwrap();
        queue.add(&[path(2), path(1)], None).unwrap();
        queue.done(&queued).unwrap();
        assert_eq!(queue.status().unwrap().waiting, 2);
    }
}
