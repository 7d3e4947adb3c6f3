//! Opening the database of valid paths without permission to write it.
//!
//! Nix keeps the database in WAL mode and leaves `-wal` and `-shm` beside it, so that a read-only
//! connection sees the paths that a running Nix has just registered. Where these two are missing and cannot be
//! made (a read-only medium, another user), SQLite refuses such a connection; then, and only while
//! the WAL is absent or empty, the file is read as an immutable one, and every use checks that it
//! still is the one that was opened.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};

use crate::{CacheError, file_io::regular_file};

/// The schema number that this program knows, as in the file `schema` beside the database.
const KNOWN_SCHEMA: u32 = 10;

/// Bytes that are read of that file.
const MAX_SCHEMA_LEN: u64 = 64;

/// Prepared statements kept by each connection.
const MAX_CACHED_STATEMENTS: usize = 32;

/// How long a connection is used where an open file may stay behind its name.
const MAX_AGE_ON_OVERLAY: Duration = Duration::from_secs(1);

/// The type of an overlay file system in `statfs`.
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;

/// A read-only connection, and the identity of the file when it was opened.
pub(super) struct DatabaseReader {
    /// Counted as long as it is there; the count ends before the connection does.
    _held: Option<HeldFile>,
    pub(super) connection: Connection,
    path: PathBuf,
    stamp: DatabaseStamp,
    /// WalIndex where an open file may silently stay behind its name.
    opened: Option<Instant>,
}

/// The live connections that are open. While there is one, SQLite deletes neither the log nor its index.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveReaders(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    open: AtomicUsize,
    /// How many were ever opened.
    opened: AtomicU64,
}

struct HeldFile(LiveReaders);

impl LiveReaders {
    /// `None` when there is none; otherwise a number that changes when one is opened.
    pub(super) fn any(&self) -> Option<u64> {
        let opened = self.0.opened.load(Ordering::Acquire);
        (self.0.open.load(Ordering::Acquire) > 0).then_some(opened)
    }

    fn hold(&self) -> HeldFile {
        self.0.opened.fetch_add(1, Ordering::AcqRel);
        self.0.open.fetch_add(1, Ordering::AcqRel);
        HeldFile(self.clone())
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The identity of a file: a connection is usable while it stays the same.
#[derive(Debug, PartialEq, Eq)]
enum DatabaseStamp {
    /// Live: the same file. A replaced one (a restored backup) has another inode.
    Live { device: u64, inode: u64 },
    /// Immutable: the same file with the same content, and no WAL.
    Immutable { device: u64, inode: u64, size: u64, changed: (i64, i64) },
}

impl DatabaseReader {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// `Unavailable`, with the reason: not there, no permission, not a Nix database, a newer schema.
    pub(super) fn open(
        path: &Path,
        busy_timeout: Duration,
        live: &LiveReaders,
    ) -> Result<Self, CacheError> {
        check_schema(path)?;
        match Self::connect(path, false, busy_timeout) {
            Ok(reader) => Ok(Self { _held: Some(live.hold()), ..reader }),
            Err(error) if may_be_immutable(path, &error) => {
                Self::connect(path, true, busy_timeout).map_err(|error| unavailable(path, &error))
            }
            Err(error) => Err(unavailable(path, &error)),
        }
    }

    fn connect(path: &Path, immutable: bool, busy_timeout: Duration) -> Result<Self, OpenError> {
        let stamp = DatabaseStamp::of(path, immutable)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(path, immutable), flags)?;
        connection.busy_timeout(busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
        connection.pragma_update(None, "query_only", true)?;
        // The first read opens the WAL and its index.
        connection.query_row(
            "select count(*) from (select 1 from ValidPaths limit 1)",
            [],
            |_| Ok(()),
        )?;
        let opened = may_stay_behind(path).then(Instant::now);
        Ok(Self { connection, path: path.to_owned(), stamp, opened, _held: None })
    }

    /// Whether the file is still the one that was opened.
    pub(super) fn is_current(&self) -> bool {
        if self.opened.is_some_and(|opened| opened.elapsed() > MAX_AGE_ON_OVERLAY) {
            return false;
        }
        let immutable = self.is_immutable();
        if immutable && !wal_is_empty(&self.path) {
            return false;
        }
        DatabaseStamp::of(&self.path, immutable).is_ok_and(|now| now == self.stamp)
    }

    /// Whether the file is read as one that does not change.
    pub(super) const fn is_immutable(&self) -> bool {
        matches!(self.stamp, DatabaseStamp::Immutable { .. })
    }
}

impl DatabaseStamp {
    fn of(path: &Path, immutable: bool) -> Result<Self, OpenError> {
        let file = fs::metadata(path)?;
        if !file.is_file() {
            return Err(regular_file::not_regular().into());
        }
        let (device, inode) = (file.dev(), file.ino());
        Ok(if immutable {
            Self::Immutable {
                device,
                inode,
                size: file.size(),
                changed: (file.ctime(), file.ctime_nsec()),
            }
        } else {
            Self::Live { device, inode }
        })
    }
}

/// On an overlay file system a file is copied to the upper layer when it is first written; a process that had it open for
/// reading goes on reading the lower one, under the same inode number, and never sees a change.
pub(super) fn may_stay_behind(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(OVERLAYFS_MAGIC))
}

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// The file's URI: everything but unreserved characters escaped, so that `?`, `#` and `%` in a
/// directory name stay part of the name.
fn uri(path: &Path, immutable: bool) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri.push_str(if immutable { "?immutable=1" } else { "?mode=ro" });
    uri
}

fn wal_is_empty(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    match fs::metadata(Path::new(&wal)) {
        Ok(file) => file.size() == 0,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// SQLite could not make the WAL's index, and there is no WAL that an immutable reader would miss. The file is not opened
/// to find out: closing it again would drop the locks of other connections.
fn may_be_immutable(path: &Path, error: &OpenError) -> bool {
    let OpenError::Sqlite(error) = error else { return false };
    let Some(code) = error.sqlite_error_code() else { return false };
    matches!(code, rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen)
        && rustix::fs::access(path, rustix::fs::Access::READ_OK).is_ok()
        && wal_is_empty(path)
}

fn check_schema(database: &Path) -> Result<(), CacheError> {
    let Some(directory) = database.parent() else { return Ok(()) };
    let Ok(text) = regular_file::read_to_string(&directory.join("schema"), MAX_SCHEMA_LEN) else {
        return Ok(());
    };
    match text.trim().parse::<u32>() {
        Ok(KNOWN_SCHEMA) => Ok(()),
        _ => Err(CacheError::Unavailable {
            what: format!(
                "{} has schema {:?}, and only {KNOWN_SCHEMA} is known",
                database.display(),
                text.trim()
            ),
            remedy: "use a version of rust-nix-serve that knows this schema",
        }),
    }
}

fn unavailable(path: &Path, error: &OpenError) -> CacheError {
    use rusqlite::ErrorCode;
    let remedy = match error {
        OpenError::File(error) if error.kind() == ErrorKind::NotFound => {
            "is Nix installed, and does the configured store name the right place?"
        }
        OpenError::File(error) if error.kind() == ErrorKind::InvalidInput => {
            "restore the database, or set `store.database` to the file"
        }
        OpenError::File(_) => "let the service's user read the directory and the database",
        OpenError::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                "let the service's user read db.sqlite, db.sqlite-wal and db.sqlite-shm"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program holds it; it is tried again"
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                "restore it from a backup"
            }
            _ => "is it the database of a Nix store?",
        },
    };
    CacheError::Unavailable {
        what: format!("cannot read the store's database {}: {error}", path.display()),
        remedy,
    }
}
