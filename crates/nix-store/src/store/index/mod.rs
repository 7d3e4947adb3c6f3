//! Indexes over the rows of the database, made at the first question and extended by new rows.
//!
//! The database has no index by NAR hash, and none of the contents of a path. Rows are numbered in the
//! order in which they are registered and a number is never used again, so an index knows from the last
//! row it has seen where to go on.

mod rows;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rusqlite::{Connection, OptionalExtension as _};
use tokio::{sync::OwnedMutexGuard, task::spawn_blocking};

use self::rows::IndexRows;
use crate::{CacheError, db::Database};

/// Rows that one question to the database takes, so that none takes long.
const MAX_INDEX_PAGE_ROWS: i64 = 20_000;

/// An index that is extended by one caller at a time. Clones share it.
#[derive(Clone)]
pub(crate) struct LazyIndex(Arc<SharedIndex>);

struct SharedIndex {
    /// The name of the index, for the log.
    name: &'static str,
    rows: RwLock<IndexRows>,
    turn: Arc<tokio::sync::Mutex<()>>,
    round: Mutex<ExtensionRound>,
}

/// How often the index was extended.
#[derive(Default)]
struct ExtensionRound {
    begun: u64,
    /// Why the last time failed, if it did.
    failure: Option<String>,
}

/// When a question was asked: the answer has to know all rows from before.
#[derive(Clone, Copy)]
pub(crate) struct IndexRound(u64);

/// The statement that reads rows for an index: two columns, the number of the row and a text. The
/// statement takes the rows behind `?1` in their order, at most `?2` of them.
pub(crate) type Statement = &'static str;

/// A part of the table of valid paths.
struct IndexPage {
    rows: Vec<(i64, String)>,
    seen: i64,
    is_last: bool,
}

impl LazyIndex {
    pub(crate) fn new(name: &'static str, limit: usize) -> Self {
        Self(Arc::new(SharedIndex {
            name,
            rows: RwLock::new(IndexRows::new(limit)),
            turn: Arc::default(),
            round: Mutex::default(),
        }))
    }

    /// To be called before the first look into the index.
    pub(crate) fn asked(&self) -> IndexRound {
        IndexRound(lock(&self.0.round).begun)
    }

    /// Rows that may have this key and are wanted, the newest first, at most `limit` of them.
    pub(crate) fn rows(&self, key: u64, limit: usize, wanted: impl Fn(i64) -> bool) -> Vec<i64> {
        read(&self.0.rows).with_key(key).filter(|row| wanted(*row)).take(limit).collect()
    }

    /// The row behind which nothing is indexed because there is no room. `None` while there is.
    pub(crate) fn full_behind(&self) -> Option<i64> {
        let rows = read(&self.0.rows);
        rows.is_full().then(|| rows.seen())
    }

    /// Waits until no other caller extends the index, and keeps others from it.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0.turn).lock_owned().await
    }

    /// Looks at the rows that are new, unless another caller did since the question was asked. `entries` makes
    /// entries of rows, in their order, on a thread that may block.
    ///
    /// It goes on when the caller goes away, for the sake of the next.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; callers that waited for the same attempt get the same error.
    pub(crate) async fn extend(
        &self,
        asked: IndexRound,
        database: &Database,
        path: &Path,
        statement: Statement,
        entries: impl Fn(Vec<(i64, String)>) -> Result<Vec<(u64, i64)>, CacheError> + Send + 'static,
    ) -> Result<(), CacheError> {
        let turn = self.turn().await;
        {
            let round = lock(&self.0.round);
            if round.begun > asked.0 {
                return round.failure.clone().map_or(Ok(()), |what| {
                    Err(CacheError::Unavailable {
                        what,
                        remedy: "it is tried again at the next request",
                    })
                });
            }
        }
        let (index, database, path) = (self.clone(), database.clone(), path.to_owned());
        spawn_blocking(move || {
            lock(&index.0.round).begun += 1;
            let result = index.extend_blocking(&database, &path, statement, entries);
            lock(&index.0.round).failure = result.as_ref().err().map(ToString::to_string);
            drop(turn);
            result
        })
        .await
        .map_err(|_| CacheError::ShuttingDown)?
    }

    fn extend_blocking(
        &self,
        database: &Database,
        path: &Path,
        statement: Statement,
        entries: impl Fn(Vec<(i64, String)>) -> Result<Vec<(u64, i64)>, CacheError>,
    ) -> Result<(), CacheError> {
        let identity = fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        write(&self.0.rows).begin(identity);
        loop {
            let (seen, was_full) = {
                let rows = read(&self.0.rows);
                (rows.seen(), rows.is_full())
            };
            if was_full {
                return Ok(());
            }
            let Some(page) =
                database.ask_blocking(|connection| page(connection, statement, seen))?
            else {
                return Ok(());
            };
            if page.seen < seen {
                // Numbers only grow: these are of a database that was restored into the same file.
                write(&self.0.rows).clear();
                continue;
            }
            let is_last = page.is_last;
            let entries = entries(page.rows)?;
            let mut rows = write(&self.0.rows);
            rows.add(entries, page.seen);
            if rows.is_full() {
                tracing::warn!("the index of {} is full; `index_entries` bounds it", self.0.name);
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

fn page(connection: &Connection, statement: &str, after: i64) -> rusqlite::Result<IndexPage> {
    let moment = connection.unchecked_transaction()?;
    let highest = moment
        .prepare_cached("select seq from sqlite_sequence where name = 'ValidPaths'")?
        .query_row([], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let mut statement = moment.prepare_cached(statement)?;
    let mut found = statement.query((after, MAX_INDEX_PAGE_ROWS))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        // A row without a text could not be served.
        rows.push((row.get(0)?, row.get_ref(1)?.as_str().unwrap_or_default().to_owned()));
    }
    let is_last = rows.len() < MAX_INDEX_PAGE_ROWS as usize;
    let seen = rows.last().filter(|_| !is_last).map_or(highest, |last| last.0);
    Ok(IndexPage { rows, seen, is_last })
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use rns_testing::{FixtureStore, Tree};

    use super::*;
    use crate::AbsentStore;

    const IDS: Statement = "select id, path from ValidPaths where id > ?1 order by id limit ?2";

    fn database(path: &Path) -> Database {
        Database::new(path.to_owned(), 2, Duration::from_millis(10), AbsentStore::Unavailable)
    }

    /// Extends the index and counts how often rows were looked at.
    async fn extend(
        index: &LazyIndex,
        path: &Path,
        looks: &Arc<AtomicUsize>,
    ) -> Result<(), CacheError> {
        let looks = Arc::clone(looks);
        let entries = move |rows: Vec<(i64, String)>| {
            looks.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
            Ok(rows.iter().map(|row| (row.0 as u64, row.0)).collect())
        };
        index.extend(index.asked(), &database(path), path, IDS, entries).await
    }

    #[tokio::test]
    async fn a_burst_of_questions_does_the_work_once() {
        let mut fixture = FixtureStore::new();
        fixture.add("x", Tree::file("x"));
        let index = LazyIndex::new("paths", 10);
        let looks = Arc::new(AtomicUsize::new(0));
        let burst: Vec<_> = (0..20)
            .map(|_| {
                let (index, looks, path) = (index.clone(), Arc::clone(&looks), fixture.database());
                tokio::spawn(async move { extend(&index, &path, &looks).await })
            })
            .collect();
        for question in burst {
            question.await.unwrap().unwrap();
        }
        // Questions from while the first one was at work need a second look.
        assert!(looks.load(Ordering::Relaxed) <= 2, "{looks:?}");
        assert_eq!(index.rows(1, 5, |_| true), [1]);
    }

    #[tokio::test]
    async fn the_work_goes_on_when_the_one_who_asked_is_gone() {
        let mut fixture = FixtureStore::new();
        fixture.add("x", Tree::file("x"));
        let index = LazyIndex::new("paths", 10);
        let (looks, path) = (Arc::default(), fixture.database());
        let gone =
            tokio::time::timeout(Duration::from_millis(5), extend(&index, &path, &looks)).await;
        assert!(gone.is_err());
        drop(index.turn().await);
        assert_eq!(index.rows(1, 5, |_| true), [1]);
        assert_eq!(looks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_outage_is_everybodys_error_and_nobodys_afterwards() {
        let mut fixture = FixtureStore::new();
        fixture.add("x", Tree::file("x"));
        let index = LazyIndex::new("paths", 10);
        let (looks, nowhere) = (Arc::default(), fixture.root().join("nowhere"));
        let asked = index.asked();
        extend(&index, &nowhere, &looks).await.unwrap_err();
        let none = |_| unreachable!("somebody looked since the question was asked");
        let error =
            index.extend(asked, &database(&nowhere), &nowhere, IDS, none).await.unwrap_err();
        assert!(matches!(error, CacheError::Unavailable { .. }), "{error}");
        extend(&index, &fixture.database(), &looks).await.unwrap();
        assert_eq!(index.rows(1, 5, |_| true), [1]);
    }
}
