//! The file of a queue.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown},
    path::Path,
    time::Duration,
};

use rusqlite::Connection;

use super::error::QueueError;

/// The longest time that a hook waits for others.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
    begin immediate;
    create table if not exists Paths (
        number integer primary key autoincrement,
        path text not null unique,
        added integer not null,
        attempts integer not null default 0,
        nextTry integer not null default 0,
        error text
    ) strict;
    create table if not exists Notes (name text primary key, value integer not null) strict;
    pragma user_version = 1;
    commit;
";

/// Opens the file, and makes it if it is not there.
pub(super) fn open(file: &Path) -> Result<Connection, QueueError> {
    let failed = |source| QueueError::Database { file: file.to_owned(), source };
    let is_new = !file.exists();
    if let Some(directory) = file.parent().filter(|_| is_new) {
        make(directory, file)?;
    }
    let connection = Connection::open(file).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if version == 0 {
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
    }
    // A hook must not wait for a disk. After a loss of power the last paths may be missing, which a watcher finds anew.
    connection.pragma_update(None, "synchronous", "normal").map_err(failed)?;
    Ok(connection)
}

/// Makes the directory and an empty file. A file that the hook of root's daemon makes belongs to the user whose
/// directory it is: the one who drains the queue.
fn make(directory: &Path, file: &Path) -> Result<(), QueueError> {
    let failed = |source| QueueError::Io { file: file.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let owner = fs::metadata(directory).map_err(failed)?;
    let made = fs::OpenOptions::new().append(true).create(true).open(file).map_err(failed)?;
    if rustix::process::geteuid().is_root() && owner.uid() != 0 {
        drop(made);
        chown(file, Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
    }
    Ok(())
}
