//! The tables, and how they came about. A change is a new migration; those that were released stay as they are.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt as _, path::Path, time::Duration};

use rusqlite::{Connection, TransactionBehavior, config::DbConfig};

use super::write_ahead::use_write_ahead_log;
use crate::index::IndexError;

/// Every migration, in order. `user_version` counts those that were applied.
const SQLITE_MIGRATIONS: [&str; 8] = [
    "
    -- NARs that are stored and verified.
    create table nars (
      id integer primary key,
      key text not null unique,
      file_hash blob not null,
      file_size integer not null,
      nar_hash blob not null,
      nar_size integer not null,
      stored integer not null,
      -- When it was last told to a pusher or used by a publication.
      touched integer not null,
      condemned integer not null default 0,
      -- Whether its bytes were looked at; otherwise a narinfo that lay there says so.
      verified integer not null default 0
    );
    -- Paths: published ones, and those that others refer to.
    create table paths (
      id integer primary key,
      hash text not null unique,
      path text not null,
      state integer not null,
      nar integer references nars,
      nar_size integer not null default 0,
      file_size integer not null default 0,
      published integer not null default 0,
      touched integer not null default 0,
      used integer not null default 0
    );
    create index paths_by_nar on paths (nar) where nar is not null;
    create table refs (
      referrer integer not null references paths,
      reference integer not null references paths,
      primary key (referrer, reference)
    ) without rowid;
    create index refs_by_reference on refs (reference);
    -- Who published what: only ever added to.
    create table pushes (
      id integer primary key,
      hash text not null,
      path text not null,
      pusher text not null,
      address text,
      at integer not null
    );
    create index pushes_by_hash on pushes (hash);
    ",
    "
    -- Whether the publication was begun, and not yet seen to end.
    alter table pushes add column pending integer not null default 0;
    ",
    "
    -- Revisions of roots. One that has expired keeps nothing.
    create table roots (
      id integer primary key,
      name text not null,
      revision integer not null,
      created integer not null,
      -- Null: never.
      expires integer,
      label text,
      pusher text not null,
      address text,
      unique (name, revision)
    );
    create index roots_by_expires on roots (expires) where expires is not null;
    -- What a root names; what that needs is in refs.
    create table root_paths (
      root integer not null references roots on delete cascade,
      path integer not null references paths,
      primary key (root, path)
    ) without rowid;
    create index root_paths_by_path on root_paths (path);
    ",
    "
    -- 0 live, 1 condemned, 2 being removed, 3 about to be stored.
    alter table nars rename column condemned to state;
    -- Which claim holds what is being removed, and until when.
    alter table nars add column claim integer;
    alter table nars add column lease integer;
    alter table paths add column claim integer;
    alter table paths add column lease integer;
    create index nars_unsettled on nars (state) where state <> 0;
    create index paths_unsettled on paths (state) where state in (1, 3, 4);
    -- Base name of the derivation that made the path; empty where its narinfo names none, null where it is not known.
    alter table paths add column deriver text;
    create index paths_by_deriver on paths (deriver) where deriver is not null;
    -- Who ordered which path to be removed: only ever added to.
    create table deletions (
      id integer primary key,
      hash text not null,
      path text not null,
      who text not null,
      address text,
      at integer not null
    );
    create index deletions_by_hash on deletions (hash);
    -- Collections that came to their end.
    create table collections (
      id integer primary key,
      begun integer not null,
      ended integer not null,
      paths integer not null,
      bytes integer not null
    );
    ",
    "
    -- Documents beside paths: logs, realisations, build traces, debug information. Claimed ones are being removed.
    create table documents (
      id integer primary key,
      key text not null unique,
      -- What owns it: 1 a derivation, 2 a path, 3 a NAR, 0 nothing.
      kind integer not null,
      owner text not null,
      touched integer not null,
      claim integer,
      lease integer
    );
    create index paths_without_deriver on paths (id) where deriver is null and state <> 0;
    ",
    "
    -- Hash part of a path that the build of a log made, where its pusher says so: narinfos may name another derivation.
    alter table documents add column built text;
    ",
    "
    -- The names of the storage that this is the index of: more than one where it is reached by several addresses.
    create table storages (name text not null primary key) without rowid;
    ",
    "
    -- The redo log beside the file: a random number that its frames have, and the last one whose orders are committed.
    create table redo (index_number integer not null, committed integer not null);
    insert into redo (index_number, committed) values (random(), 0);
    ",
];

/// Pages of 4 KiB in the log after which they are copied into the file, which waits for the disk some times.
const CHECKPOINT_PAGES: u32 = 4096;

/// Opens the file, and brings its schema up to date. Only one process does that at a time.
pub(super) fn open(
    file: &Path,
    busy_timeout: Duration,
    sync: bool,
) -> Result<Connection, IndexError> {
    let unavailable = |error: rusqlite::Error| unavailable(file, &error);
    make_directory(file).map_err(|error| IndexError::Unavailable {
        database: file.display().to_string(),
        why: error.to_string(),
    })?;
    let mut connection = Connection::open(file).map_err(unavailable)?;
    connection.busy_timeout(busy_timeout).map_err(unavailable)?;
    let synchronous = if sync { "full" } else { "normal" };
    let pragmas = format!(
        "pragma synchronous = {synchronous}; pragma foreign_keys = on; \
         pragma temp_store = memory; pragma cache_size = -16384; \
         pragma wal_autocheckpoint = {CHECKPOINT_PAGES};"
    );
    use_write_ahead_log(&connection, busy_timeout).map_err(unavailable)?;
    connection.execute_batch(&pragmas).map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Otherwise some statements are compiled anew for each value, which costs as much as running them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(unavailable)?;
    migrate(file, &mut connection)?;
    Ok(connection)
}

/// Makes the directory of the file, which says who pushed from where, and none above it: a disk that is not mounted stays
/// as it is.
fn make_directory(file: &Path) -> io::Result<()> {
    let Some(directory) = file.parent() else { return Ok(()) };
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn migrate(file: &Path, connection: &mut Connection) -> Result<(), IndexError> {
    let unavailable = |error: rusqlite::Error| unavailable(file, &error);
    let known = i64::try_from(SQLITE_MIGRATIONS.len()).unwrap_or(i64::MAX);
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    if version(connection).map_err(unavailable)? == known {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(unavailable)?;
    let found = version(&transaction).map_err(unavailable)?;
    if found > known {
        return Err(IndexError::TooNew { database: file.display().to_string(), found, known });
    }
    for migration in SQLITE_MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(unavailable)?;
    transaction.commit().map_err(unavailable)
}

/// An error of SQLite, with the file.
pub(super) fn unavailable(file: &Path, error: &rusqlite::Error) -> IndexError {
    IndexError::Unavailable { database: file.display().to_string(), why: error.to_string() }
}
