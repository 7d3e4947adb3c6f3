//! The statements of collection that read and note: records of paths, snapshots, times of use.

use rns_cache::Pusher;
use rns_formats::StorePath;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::claims::sql;
use crate::{
    index::{
        CollectionRecord, Deletion, IndexedPath, IndexedPathRow, NarRow, PathState, Referrer,
        StoredSince, collection_statements as statements,
        statements::NAR_STATE,
        types::{now, time},
    },
    objects::ObjectKey,
};

pub(super) fn deletions(connection: &Connection, hash: &str) -> rusqlite::Result<Vec<Deletion>> {
    let mut statement = connection.prepare_cached(statements::DELETIONS)?;
    let found = statement.query_map([hash], |row| {
        let who = Pusher { name: row.get(0)?, address: row.get(1)? };
        Ok(Deletion { who, at: time(row.get(2)?) })
    })?;
    found.collect()
}

pub(super) fn roots_naming(
    connection: &Connection,
    hash: &str,
    limit: i64,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(&sql(statements::ROOTS_NAMING))?;
    let found = statement.query_map(params![hash, limit], |row| row.get(0))?;
    found.collect()
}

pub(super) fn rooted(
    connection: &Connection,
    (root, path): (i64, i64),
    limit: i64,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut statement = connection.prepare_cached(&sql(statements::SNAPSHOT_ROOTED))?;
    let found = statement.query_map([root, path, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}

pub(super) fn root_names(
    connection: &Connection,
    after: i64,
    limit: i64,
) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached(&sql(statements::SNAPSHOT_ROOT_NAMES))?;
    let found = statement.query_map([after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}

fn referrer(row: &Row<'_>) -> rusqlite::Result<Referrer> {
    Ok(Referrer {
        id: row.get(0)?,
        touched: row.get(1)?,
        used: row.get(2)?,
        is_publishing: PathState::of_number(row.get(3)?) == PathState::Publishing,
        root: row.get(4)?,
    })
}

pub(super) fn path_record(
    connection: &Connection,
    hash: &str,
) -> rusqlite::Result<Option<(IndexedPath, Referrer)>> {
    let mut statement = connection.prepare_cached(&sql(statements::PATH_RECORD))?;
    let found = statement.query_row([hash], |row| {
        let path: String = row.get(5)?;
        let used: i64 = row.get(2)?;
        let Ok(path) = StorePath::parse(&path) else { return Ok(None) };
        let record = IndexedPath {
            path,
            state: PathState::of_number(row.get(3)?),
            published: time(row.get(6)?),
            touched: time(row.get(1)?),
            used: (used > 0).then(|| time(used)),
            nar_size: row.get::<_, i64>(7)?.unsigned_abs(),
            file_size: row.get::<_, i64>(8)?.unsigned_abs(),
        };
        Ok(Some((record, referrer(row)?)))
    });
    Ok(found.optional()?.flatten())
}

pub(super) fn referrers_of(
    connection: &Connection,
    ids: &[i64],
    limit: usize,
) -> rusqlite::Result<Vec<(i64, Referrer)>> {
    let mut statement = connection.prepare_cached(&sql(statements::REFERRERS_OF))?;
    let mut found = Vec::new();
    for id in ids {
        let room = i64::try_from(limit.saturating_sub(found.len())).unwrap_or(i64::MAX);
        let rows = statement.query_map([*id, room], |row| Ok((row.get(5)?, referrer(row)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

pub(super) fn references_of(
    connection: &Connection,
    ids: &[i64],
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut statement = connection.prepare_cached(&sql(statements::REFERENCES_OF))?;
    let mut found = Vec::new();
    for id in ids {
        for row in statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))? {
            found.push(row?);
        }
    }
    Ok(found)
}

pub(super) fn note_nar_reads(connection: &Connection, keys: &[ObjectKey]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(statements::NOTE_NAR_READ)?;
    let now = now();
    for key in keys {
        statement.execute(params![key.as_str(), now])?;
    }
    Ok(())
}

pub(super) fn stored_since(connection: &Connection, after: i64) -> rusqlite::Result<StoredSince> {
    let mut statement = connection.prepare_cached(statements::STORED_SINCE)?;
    statement.query_row([after], |row| {
        Ok(StoredSince {
            newest: row.get(0)?,
            settled: row.get::<_, i64>(1)?.unsigned_abs(),
            all: row.get::<_, i64>(2)?.unsigned_abs(),
        })
    })
}

pub(super) fn note_collection(
    connection: &Connection,
    begun: i64,
    paths: i64,
    bytes: i64,
) -> rusqlite::Result<()> {
    let mut note = connection.prepare_cached(statements::NOTE_COLLECTION)?;
    note.execute([begun, now(), paths, bytes])?;
    connection.prepare_cached(statements::FORGET_COLLECTIONS)?.execute([])?;
    Ok(())
}

pub(super) fn last_collection(
    connection: &Connection,
) -> rusqlite::Result<Option<CollectionRecord>> {
    let mut statement = connection.prepare_cached(statements::LAST_COLLECTION)?;
    let last = statement.query_row([], |row| {
        Ok(CollectionRecord {
            begun: time(row.get(0)?),
            ended: time(row.get(1)?),
            paths: row.get::<_, i64>(2)?.unsigned_abs(),
            bytes: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    });
    last.optional()
}

pub(super) fn referrers(
    connection: &Connection,
    hash: &str,
    limit: i64,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(statements::REFERRERS)?;
    let found = statement.query_map(params![hash, limit], |row| row.get(0))?;
    found.collect()
}

pub(super) fn path_names(
    connection: &Connection,
    ids: &[i64],
) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached(&sql(statements::PATH_NAMES))?;
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        let found = statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)));
        names.extend(found.optional()?);
    }
    Ok(names)
}

pub(super) fn stale_publications(
    connection: &Connection,
    before: i64,
    limit: i64,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(statements::STALE_PUBLICATIONS)?;
    let found = statement.query_map([before, limit], |row| row.get(0))?;
    found.collect()
}

pub(super) fn paths(
    connection: &Connection,
    after: i64,
    limit: i64,
) -> rusqlite::Result<Vec<IndexedPathRow>> {
    let mut statement = connection.prepare_cached(statements::SNAPSHOT_PATHS)?;
    let found = statement.query_map([after, limit], |row| {
        Ok(IndexedPathRow {
            id: row.get(0)?,
            state: row.get(1)?,
            nar: row.get(2)?,
            published: row.get(3)?,
            touched: row.get(4)?,
            used: row.get(5)?,
        })
    })?;
    found.collect()
}

pub(super) fn nars(
    connection: &Connection,
    after: i64,
    limit: i64,
) -> rusqlite::Result<Vec<NarRow>> {
    let mut statement = connection.prepare_cached(statements::SNAPSHOT_NARS)?;
    let found = statement.query_map([after, limit], |row| {
        Ok(NarRow {
            id: row.get(0)?,
            is_live: row.get::<_, i64>(1)? == 0,
            touched: row.get(2)?,
            file_size: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    })?;
    found.collect()
}

pub(super) fn edges(
    connection: &Connection,
    (referrer, reference): (i64, i64),
    limit: i64,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut statement = connection.prepare_cached(statements::SNAPSHOT_EDGES)?;
    let found =
        statement.query_map([referrer, reference, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}

pub(super) fn unknown_nars(
    connection: &Connection,
    keys: Vec<ObjectKey>,
) -> rusqlite::Result<Vec<ObjectKey>> {
    let mut statement = connection.prepare_cached(NAR_STATE)?;
    let mut unknown = Vec::new();
    for key in keys {
        if !statement.exists([key.as_str()])? {
            unknown.push(key);
        }
    }
    Ok(unknown)
}
