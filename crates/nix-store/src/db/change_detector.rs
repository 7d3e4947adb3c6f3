//! Whether the database has changed, in a few system calls and without a connection.
//!
//! Every commit leaves a mark: with a write-ahead log in the header of its index (the `-shm` file, which all connections share
//! as memory; its first 96 bytes are two copies of one header), otherwise in the counter in the header of
//! the database itself. These bytes, together with which files they are of, are compared with those of the last
//! look. An answer from a row carries the generation that was read *before* the row; as long as the number is
//! the same, no commit has become visible in between.
//!
//! The files are opened once and kept: closing one would drop the locks that SQLite's connections in this process hold
//! on it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwapOption;

use super::{
    change_rate::ChangeRate,
    open::{LiveReaders, may_stay_behind},
    wal_index::{INDEX_HEADER_BYTES, WalIndex},
};
use crate::file_io::regular_file;

/// The part of the database's header that holds the change counter and the size.
const FILE_HEADER: (u64, usize) = (24, 16);

pub(super) struct ChangeDetector {
    database: PathBuf,
    index: PathBuf,
    log: PathBuf,
    state: Mutex<DetectorState>,
    /// The last state, where that is all there is to look at.
    present: ArcSwapOption<WalIndex>,
    live: LiveReaders,
    rate: ChangeRate,
}

#[derive(Default)]
struct DetectorState {
    generation: u64,
    seen: Option<Mark>,
    database: Option<Kept>,
    index: Option<Kept>,
}

/// The identity of the database.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    database: (DatabaseIdentity, [u8; FILE_HEADER.1]),
    index: Option<(DatabaseIdentity, [u8; INDEX_HEADER_BYTES])>,
    /// Without an index: the log, which another program left behind.
    log: Option<(DatabaseIdentity, u64)>,
}

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DatabaseIdentity(u64, u64);

struct Kept {
    identity: DatabaseIdentity,
    file: Arc<File>,
}

impl ChangeDetector {
    pub(super) fn new(database: &Path, live: LiveReaders) -> Self {
        let beside = |suffix: &str| {
            let mut name = database.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Self {
            database: database.to_owned(),
            index: beside("-shm"),
            log: beside("-wal"),
            state: Mutex::default(),
            present: ArcSwapOption::empty(),
            rate: ChangeRate::default(),
            live,
        }
    }

    /// The number of the state that the database is in now; 0 when that cannot be known. It never comes back to a
    /// number it had before.
    pub(super) fn generation(&self) -> u64 {
        match &*self.present.load() {
            Some(present) if present.is_still() => present.generation,
            _ => self.follow(&mut self.lock()),
        }
    }

    /// The same as it was at most some milliseconds ago. It proves no miss.
    pub(super) fn recent_generation(&self) -> u64 {
        match &*self.present.load() {
            Some(present) if present.was_still_lately() => present.generation,
            _ => self.follow(&mut self.lock()),
        }
    }

    /// Whether the database has changed so often lately that not every change can be followed up.
    pub(super) fn changes_often(&self) -> bool {
        self.rate.is_high()
    }

    fn lock(&self) -> MutexGuard<'_, DetectorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, state: &mut DetectorState) -> u64 {
        // Another thread may have looked meanwhile.
        if let Some(present) = &*self.present.load()
            && present.is_still()
        {
            return present.generation;
        }
        let mark = self.look(state).ok().flatten();
        if mark.is_none() || state.seen != mark {
            state.generation += 1;
            self.rate.note();
            state.seen = mark;
        }
        self.present.store(self.present_of(state).map(Arc::new));
        if state.seen.is_some() { state.generation } else { 0 }
    }

    fn present_of(&self, state: &DetectorState) -> Option<WalIndex> {
        let (_, header) = state.seen.as_ref()?.index.as_ref()?;
        let file = |path: &Path, kept: &Option<Kept>| {
            Some((path.to_owned(), Arc::clone(&kept.as_ref()?.file)))
        };
        let database = file(&self.database, &state.database)?;
        let index = file(&self.index, &state.index)?;
        Some(WalIndex::new(state.generation, database, index, *header, self.live.clone()))
    }

    /// `None` in the middle of a commit, and where an open file proves nothing.
    fn look(&self, state: &mut DetectorState) -> io::Result<Option<Mark>> {
        if may_stay_behind(&self.database) {
            return Ok(None);
        }
        let kept = keep(&mut state.database, &self.database)?;
        let mut header = [0; FILE_HEADER.1];
        kept.file.read_exact_at(&mut header, FILE_HEADER.0)?;
        let database = (kept.identity, header);
        let index = match keep(&mut state.index, &self.index) {
            Ok(kept) => {
                let mut header = [0; INDEX_HEADER_BYTES];
                kept.file.read_exact_at(&mut header, 0)?;
                let (one, other) = header.split_at(INDEX_HEADER_BYTES / 2);
                if one != other {
                    return Ok(None);
                }
                Some((kept.identity, header))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let log = match index {
            Some(_) => None,
            None => match fs::metadata(&self.log) {
                Ok(file) => Some((DatabaseIdentity(file.dev(), file.ino()), file.size())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        Ok(Some(Mark { database, index, log }))
    }
}

/// The file that has this name now, opened when it is another one than before.
fn keep<'a>(kept: &'a mut Option<Kept>, path: &Path) -> io::Result<&'a Kept> {
    let now = fs::metadata(path)?;
    let identity = DatabaseIdentity(now.dev(), now.ino());
    let known = kept.take().filter(|kept| kept.identity == identity);
    let current = match known {
        Some(current) => current,
        None => {
            let file = regular_file::open(path)?;
            let opened = file.metadata()?;
            Kept { identity: DatabaseIdentity(opened.dev(), opened.ino()), file: Arc::new(file) }
        }
    };
    Ok(kept.insert(current))
}

#[cfg(test)]
mod tests {
    use rns_testing::{FixtureStore, Tree};
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn every_commit_is_a_new_generation_and_nothing_else_is() {
        let mut fixture = FixtureStore::new();
        let path = fixture.add("one", Tree::file("1"));
        let probe = ChangeDetector::new(&fixture.database(), LiveReaders::default());
        let mut last = probe.generation();
        assert_ne!(last, 0);
        for round in 0..50 {
            assert_eq!(probe.generation(), last, "nothing has happened");
            fixture.execute("update ValidPaths set registrationTime = ?1", [round]);
            let now = probe.generation();
            assert!(now > last, "round {round}");
            last = now;
        }
        // Reading is no change.
        let reader = Connection::open(fixture.database()).unwrap();
        reader
            .query_row("select count(*) from ValidPaths", [], |row| row.get::<_, i64>(0))
            .unwrap();
        assert_eq!(probe.generation(), last);
        fixture.forget(&path);
        assert!(probe.generation() > last);
    }

    #[test]
    fn a_recent_generation_follows_within_some_milliseconds() {
        let mut fixture = FixtureStore::new();
        fixture.add("one", Tree::file("1"));
        let probe = ChangeDetector::new(&fixture.database(), LiveReaders::default());
        let before = probe.generation();
        assert_eq!(probe.recent_generation(), before);
        fixture.add("two", Tree::file("2"));
        std::thread::sleep(std::time::Duration::from_millis(30));
        let after = probe.recent_generation();
        assert!(after > before);
        fixture.add("three", Tree::file("3"));
        assert!(probe.generation() > after, "an exact one is asked for before a miss");
        assert!(probe.recent_generation() > after, "and is the recent one from then on");
    }

    #[test]
    fn commits_without_a_log_are_seen_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db.sqlite");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("create table T (x)").unwrap();
        let probe = ChangeDetector::new(&path, LiveReaders::default());
        let mut last = probe.generation();
        for _ in 0..50 {
            writer.execute_batch("insert into T values (1)").unwrap();
            let now = probe.generation();
            assert!(now > last);
            last = now;
        }
        assert_eq!(probe.generation(), last);
    }

    #[test]
    fn a_checkpoint_and_another_file_are_no_reason_to_believe_the_old() {
        let mut fixture = FixtureStore::new();
        fixture.add("one", Tree::file("1"));
        let probe = ChangeDetector::new(&fixture.database(), LiveReaders::default());
        let before = probe.generation();
        fixture.connection().query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
        fixture.add("two", Tree::file("2"));
        let after = probe.generation();
        assert!(after > before);
        let away = fixture.root().join("away");
        fs::rename(fixture.database(), &away).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(probe.generation(), 0, "moved away");
        fs::rename(&away, fixture.database()).unwrap();
        let after = probe.generation();
        assert_ne!(after, 0);
        fixture.close_database();
        fs::copy(fixture.database(), fixture.root().join("copy")).unwrap();
        fs::rename(fixture.root().join("copy"), fixture.database()).unwrap();
        assert!(probe.generation() > after);
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let probe =
            ChangeDetector::new(&directory.path().join("db.sqlite"), LiveReaders::default());
        assert_eq!((probe.generation(), probe.generation()), (0, 0));
    }
}
