//! Whether the store that was configured is there at all. One that is not there is not an empty one: a wrong directory or
//! a file system that is not mounted is an outage, not a miss for every path.

use std::{
    fs::{self, ReadDir},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rns_formats::{StoreDir, StorePath};
use rusqlite::Connection;
use tokio::task::spawn_blocking;

use crate::{
    CacheError,
    db::{Database, path_by_hash_part},
};

/// For how long a finding is good.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Paths of the database that are looked for, from each end of it.
const MAX_PROBED_PATHS: i64 = 16;

/// Entries of the directory that are looked up, when none of these is there.
const MAX_PROBED_ENTRIES: usize = 1024;

const REMEDY_MOUNT: &str =
    "is it mounted, and does `store.real_dir` name the directory that holds the store paths?";
const REMEDY_STORE_DIR: &str = "set `store.dir` to the directory that the store's paths begin with";

const IS_ANY: &str = "select 1 from ValidPaths where path >= ?1 and path < ?2 limit 1";
const NEWEST_PATHS: &str = "select path from ValidPaths order by id desc limit ?1";
const OLDEST_PATHS: &str = "select path from ValidPaths order by id limit ?1";

/// Where a store is, and whether it was there when that was last looked at.
pub(crate) struct StorePresence {
    pub(crate) database: Database,
    pub(crate) store_dir: StoreDir,
    pub(crate) real_dir: PathBuf,
    last: Mutex<Option<PresenceCheck>>,
    is_gone: AtomicBool,
    looking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct PresenceCheck {
    at: Instant,
    problem: Option<StoreProblem>,
}

#[derive(Clone, PartialEq, Eq)]
struct StoreProblem {
    what: String,
    remedy: &'static str,
}

impl StoreProblem {
    fn error(self) -> CacheError {
        CacheError::Unavailable { what: self.what, remedy: self.remedy }
    }
}

impl StorePresence {
    pub(crate) fn new(database: Database, store_dir: StoreDir, real_dir: PathBuf) -> Self {
        Self {
            database,
            store_dir,
            real_dir,
            last: Mutex::default(),
            is_gone: AtomicBool::new(false),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// Whether the store was not there when that was last looked at. Never waits.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Fails while the store is not there, as was found out at most a second ago. One looks; the others that come meanwhile
    /// take the finding before, if there is one.
    ///
    /// # Errors
    /// `Unavailable`, with the reason.
    pub(crate) async fn ensure(self: &Arc<Self>) -> Result<(), CacheError> {
        let known = self.last().clone();
        if let Some(known) = &known
            && known.at.elapsed() < CHECK_INTERVAL
        {
            return known.result();
        }
        let _looking = match (self.looking.try_lock(), known) {
            (Ok(turn), _) => turn,
            (Err(_), Some(known)) => return known.result(),
            (Err(_), None) => self.looking.lock().await,
        };
        if let Some(known) = &*self.last()
            && known.at.elapsed() < CHECK_INTERVAL
        {
            return known.result();
        }
        let presence = Arc::clone(self);
        spawn_blocking(move || presence.look()).await.map_err(|_| CacheError::ShuttingDown)?
    }

    /// Looks now. Blocks.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub(crate) fn look(&self) -> Result<(), CacheError> {
        // Nothing is found out about a store whose database does not answer; a missing one may be an empty store.
        let Some(problem) = self.database.ask_uncounted(|connection| self.problem(connection))?
        else {
            return Ok(());
        };
        let finding = PresenceCheck { at: Instant::now(), problem };
        self.is_gone.store(finding.problem.is_some(), Ordering::Release);
        let result = finding.result();
        let before = self.last().replace(finding.clone()).and_then(|before| before.problem);
        match (&finding.problem, &before) {
            (Some(problem), before) if before.as_ref() != Some(problem) => {
                tracing::error!("the store is not there: {}; {}", problem.what, problem.remedy);
            }
            (None, Some(_)) => tracing::info!("the store is there again"),
            _ => {}
        }
        result
    }

    fn last(&self) -> MutexGuard<'_, Option<PresenceCheck>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self, connection: &Connection) -> rusqlite::Result<Option<StoreProblem>> {
        let entries = match fs::read_dir(&self.real_dir) {
            Ok(entries) => Some(entries),
            // One that may be searched and not listed, as Nix makes it, is there nevertheless.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Err(error) => return Ok(Some(self.unreadable(&error))),
        };
        let sample = sample(connection)?;
        if sample.is_empty() {
            return Ok(None);
        }
        if !self.has_own_paths(connection)? {
            let other = sample.first().and_then(|path| path.rsplit_once('/'));
            let other = other.map_or("?", |(directory, _)| directory).to_owned();
            let what = format!(
                "the database {} lists paths of {other}, and none of {}",
                self.database.path().display(),
                self.store_dir.as_str(),
            );
            return Ok(Some(StoreProblem { what, remedy: REMEDY_STORE_DIR }));
        }
        let mut known = sample.iter().filter_map(|path| self.store_dir.parse_path(path).ok());
        let is_there =
            |path: StorePath| self.real_dir.join(path.as_str()).symlink_metadata().is_ok();
        if known.any(is_there) || self.has_a_valid_path(connection, entries)? {
            return Ok(None);
        }
        let what = format!(
            "none of the paths that the database {} lists is in {}",
            self.database.path().display(),
            self.real_dir.display()
        );
        Ok(Some(StoreProblem { what, remedy: REMEDY_MOUNT }))
    }

    fn unreadable(&self, error: &io::Error) -> StoreProblem {
        let what = format!("cannot read the store directory {}: {error}", self.real_dir.display());
        StoreProblem { what, remedy: REMEDY_MOUNT }
    }

    fn has_own_paths(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let directory = self.store_dir.as_str();
        // `0` is the character after the slash.
        connection
            .prepare_cached(IS_ANY)?
            .exists([format!("{directory}/"), format!("{directory}0")])
    }

    fn has_a_valid_path(
        &self,
        connection: &Connection,
        entries: Option<ReadDir>,
    ) -> rusqlite::Result<bool> {
        for entry in entries.into_iter().flatten().take(MAX_PROBED_ENTRIES).flatten() {
            let name = entry.file_name();
            let path = name.to_str().and_then(|name| StorePath::parse(name).ok());
            let Some(path) = path else { continue };
            let row = path_by_hash_part(connection, &self.store_dir, path.hash_part())?;
            if row.is_some_and(|row| row.is_ok_and(|row| row.info.path == path)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl PresenceCheck {
    fn result(&self) -> Result<(), CacheError> {
        self.problem.clone().map_or(Ok(()), |problem| Err(problem.error()))
    }
}

fn sample(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut sample = Vec::new();
    for statement in [NEWEST_PATHS, OLDEST_PATHS] {
        let mut statement = connection.prepare_cached(statement)?;
        let paths = statement.query_map([MAX_PROBED_PATHS], |row| row.get(0))?;
        sample.extend(paths.collect::<rusqlite::Result<Vec<String>>>()?);
    }
    Ok(sample)
}
