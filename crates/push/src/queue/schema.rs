//! The file of a queue: how it is made, and opened.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rns_storage::index::sqlite::use_write_ahead_log;
use rusqlite::{Connection, config::DbConfig};

use super::{error::QueueError, owner};

/// The longest time that a daemon or a command waits for others.
const QUEUE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time that a hook waits for others: a build waits for it.
const HOOK_BUSY_TIMEOUT: Duration = Duration::from_millis(10);

/// Pages of the log from which on a hook writes them to the file, which takes a while; a daemon does so much earlier.
const HOOK_CHECKPOINT_PAGES: u32 = 4_000;

/// The most paths that wait; fewer in tests.
pub(super) const MAX_QUEUED: i64 = if cfg!(test) { 1_000 } else { 1_000_000 };

/// The version of the schema. A newer one has all that this program needs.
const SCHEMA_VERSION: i64 = 2;

/// A queue of the first version does not say that it was begun with all paths of the store: one that has looked at the store is
/// taken for it, so that they are not pushed once more.
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
    create table if not exists Outage (
        one integer primary key check (one = 1),
        since integer not null,
        attempts integer not null,
        nextTry integer,
        isUnreachable integer not null,
        error text not null
    ) strict;
    insert or ignore into Notes (name, value)
        select 'existing', 1 from Notes, pragma_user_version
        where name = 'seenRow' and user_version = 1;
    pragma user_version = 2;
    commit;
";

/// Opens the file, and makes it if it is not there.
pub(super) fn open(file: &Path) -> Result<Connection, QueueError> {
    open_within(file, QUEUE_BUSY_TIMEOUT)
}

/// The same for a program that adds a few paths and ends: it leaves it to others to tidy up, since that waits for the disk.
pub(super) fn open_for_hook(file: &Path) -> Result<Connection, QueueError> {
    let failed = |source| QueueError::Database { file: file.to_owned(), source };
    let connection = open_within(file, HOOK_BUSY_TIMEOUT)?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .and_then(|_| {
            let pages = HOOK_CHECKPOINT_PAGES;
            connection.query_row(&format!("pragma wal_autocheckpoint = {pages}"), [], |_| Ok(()))
        })
        .map_err(failed)?;
    Ok(connection)
}

fn open_within(file: &Path, busy_timeout: Duration) -> Result<Connection, QueueError> {
    let failed = |source| QueueError::Database { file: file.to_owned(), source };
    let found = owner::other_owner(file);
    let found = found.map_err(|source| QueueError::Io { file: file.to_owned(), source })?;
    if let Some((user, _)) = found {
        return Err(QueueError::Foreign { file: file.to_owned(), user: user.as_raw() });
    }
    let is_new = !file.exists();
    if let Some(directory) = file.parent().filter(|_| is_new) {
        make(directory, file)?;
    }
    let connection = Connection::open(file).map_err(failed)?;
    connection.busy_timeout(busy_timeout).map_err(failed)?;
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if version < SCHEMA_VERSION {
        use_write_ahead_log(&connection, busy_timeout).map_err(failed)?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
    }
    // A hook must not wait for a disk. After a loss of power the last paths may be missing, which a watcher finds anew.
    connection.pragma_update(None, "synchronous", "normal").map_err(failed)?;
    Ok(connection)
}

/// Makes the directory and an empty file.
fn make(directory: &Path, file: &Path) -> Result<(), QueueError> {
    let failed = |source| QueueError::Io { file: file.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    fs::OpenOptions::new().append(true).create(true).open(file).map_err(failed)?;
    Ok(())
}

/// Returns true if no more paths are taken. Numbers grow, so that the count is only needed where they lie far apart.
pub(super) fn is_full(connection: &Connection) -> rusqlite::Result<bool> {
    let span =
        "select coalesce((select max(number) from Paths) - (select min(number) from Paths), 0)";
    let span: i64 = connection.query_row(span, [], |row| row.get(0))?;
    if span < MAX_QUEUED {
        return Ok(false);
    }
    let count: i64 = connection.query_row("select count(*) from Paths", [], |row| row.get(0))?;
    Ok(count > MAX_QUEUED)
}

/// Now, in seconds since the Unix epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
