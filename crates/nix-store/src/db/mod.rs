//! The database of valid paths: a few read-only connections, off the event loop.

mod change_detector;
mod change_rate;
mod open;
mod row;
mod state;
pub(crate) mod statements;
mod wal_index;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use self::{
    change_detector::ChangeDetector,
    open::{DatabaseReader, LiveReaders},
    state::Availability,
};
use crate::{CacheError, config::AbsentStore};

pub(crate) use row::{PathRow, bad_row, path_by_hash_part, path_by_id};

/// How often one question is asked anew because the file changed under it.
const MAX_QUERY_ATTEMPTS: usize = 8;

/// A handle to the database; clones share the connections.
#[derive(Clone)]
pub(crate) struct Database(Arc<SharedDatabase>);

struct SharedDatabase {
    path: PathBuf,
    busy_timeout: Duration,
    absent: AbsentStore,
    /// As many permits as there may be connections.
    permits: Semaphore,
    /// Open connections that are not in use at the moment, at most `most_idle`.
    idle: Mutex<Vec<DatabaseReader>>,
    most_idle: usize,
    /// Connections that are open, used or not.
    live: LiveReaders,
    availability: Availability,
    questions: AtomicU64,
    probe: ChangeDetector,
}

impl Database {
    /// A handle; nothing is opened before the first question.
    pub(crate) fn new(
        path: PathBuf,
        readers: usize,
        busy_timeout: Duration,
        absent: AbsentStore,
    ) -> Self {
        let live = LiveReaders::default();
        Self(Arc::new(SharedDatabase {
            probe: ChangeDetector::new(&path, live.clone()),
            path,
            busy_timeout,
            absent,
            permits: Semaphore::new(readers.max(1)),
            idle: Mutex::default(),
            most_idle: readers.max(1),
            live,
            availability: Availability::default(),
            questions: AtomicU64::new(0),
        }))
    }

    /// The number of the state that the database is in now; 0 when that cannot be known. Read it before the
    /// row that something is derived from: when it is still the same later, so is the row. Costs a system
    /// call or some and never waits.
    pub(crate) fn generation(&self) -> u64 {
        self.0.probe.generation()
    }

    /// The same as it was at most some milliseconds ago, mostly without a system call: for hits, which may be old.
    pub(crate) fn recent_generation(&self) -> u64 {
        self.0.probe.recent_generation()
    }

    /// Whether the database has changed so often lately that not every change can be followed up.
    pub(crate) fn changes_often(&self) -> bool {
        self.0.probe.changes_often()
    }

    /// The file.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0.path
    }

    /// Questions that were asked so far.
    pub(crate) fn questions(&self) -> u64 {
        self.0.questions.load(Ordering::Relaxed)
    }

    /// Questions that could not be answered so far.
    pub(crate) fn failures(&self) -> u64 {
        self.0.availability.failures()
    }

    /// Asks `question` on a connection, on the blocking pool. `None` when the store is absent and that
    /// means an empty one.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn ask<T, Q>(&self, question: Q) -> Result<Option<T>, CacheError>
    where
        T: Send + 'static,
        Q: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let permit = self.0.permits.acquire().await.map_err(|_| CacheError::ShuttingDown)?;
        let answer = tokio::task::spawn_blocking(move || shared.answer(&question))
            .await
            .map_err(|_| CacheError::ShuttingDown)?;
        drop(permit);
        answer
    }

    /// The same as [`Self::ask`], for a thread that may block. For work that is done by one at a time: questions of
    /// requests go through [`Self::ask`], which bounds the connections.
    pub(crate) fn ask_blocking<T>(
        &self,
        question: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, CacheError> {
        self.0.answer(&question)
    }

    /// The same outside of requests, and not counted.
    pub(crate) fn ask_uncounted<T>(
        &self,
        question: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, CacheError> {
        self.0.answer_uncounted(&question)
    }
}

impl SharedDatabase {
    fn answer<T>(
        &self,
        question: &dyn Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, CacheError> {
        let answer = self.answer_uncounted(question);
        if !matches!(answer, Ok(None)) {
            self.questions.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn answer_uncounted<T>(
        &self,
        question: &dyn Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, CacheError> {
        if self.absent == AbsentStore::Empty && !self.path.exists() {
            return Ok(None);
        }
        let answer = self.try_answer(question);
        self.availability.note(&self.path, answer.as_ref().err());
        answer.map(Some)
    }

    fn try_answer<T>(
        &self,
        question: &dyn Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CacheError> {
        for _ in 0..MAX_QUERY_ATTEMPTS {
            let idle = self.take_idle();
            let fresh = idle.is_none();
            let reader = match idle {
                Some(reader) => reader,
                None => DatabaseReader::open(&self.path, self.busy_timeout, &self.live)?,
            };
            let answer = question(&reader.connection);
            // An immutable file that changed meanwhile may have given a torn answer.
            let torn = reader.is_immutable() && !reader.is_current();
            match answer {
                Ok(answer) if !torn => {
                    self.put_idle(reader);
                    return Ok(answer);
                }
                // A connection that was idle may have outlived its file: only one that was opened
                // for this question is believed. A lock would hold up the next one as well.
                Err(error) if !torn && (fresh || is_busy(&error)) => {
                    return Err(failed(&self.path, &error));
                }
                _ => {}
            }
        }
        Err(CacheError::Unavailable {
            what: format!(
                "the store's database {} is being replaced again and again",
                self.path.display()
            ),
            remedy: "it is tried again at the next request",
        })
    }

    /// An idle connection to the file that is there now; the others are closed.
    fn take_idle(&self) -> Option<DatabaseReader> {
        loop {
            let reader = self.lock_idle().pop()?;
            if reader.is_current() {
                return Some(reader);
            }
        }
    }

    fn put_idle(&self, reader: DatabaseReader) {
        let mut idle = self.lock_idle();
        // Questions that are not bound by the permits can have opened more.
        if idle.len() < self.most_idle {
            idle.push(reader);
        }
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Vec<DatabaseReader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

fn failed(path: &std::path::Path, error: &rusqlite::Error) -> CacheError {
    use rusqlite::ErrorCode;
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds it; it is tried again"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "check it with `sqlite3 db.sqlite 'pragma integrity_check'` and restore it from a backup"
        }
        _ => "it is opened anew at the next request",
    };
    CacheError::Unavailable {
        what: format!("the store's database {} does not answer: {error}", path.display()),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use rns_testing::FixtureStore;

    use super::*;

    #[test]
    fn no_more_connections_are_kept_than_there_may_be() {
        let fixture = FixtureStore::new();
        let database =
            Database::new(fixture.database(), 2, Duration::from_secs(5), AbsentStore::Unavailable);
        // All of them are open at the same time.
        let all = Barrier::new(5);
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| database.ask_blocking(|_| Ok(all.wait().is_leader())).unwrap());
            }
        });
        assert_eq!(database.0.lock_idle().len(), 2);
    }
}
