//! The statements of collection.

use rns_cache::Pusher;
use rns_formats::StorePath;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{
    index::{
        Claimed, CollectionRecord, Deletion, NarRow, Order, PathRecord, PathRow, PathState,
        Referrer, Rows, Taken, Unused,
        collection::CLAIM_LEASE,
        collection_statements as statements,
        types::{now, time},
    },
    objects::ObjectKey,
};

/// A hash, where none is known.
const NO_HASH: [u8; 32] = [0; 32];

/// A statement in the spelling of SQLite.
fn sql(statement: &str) -> String {
    statement.replace("{these}", "= ?1").replace("{now}", "unixepoch()")
}

fn lease() -> i64 {
    i64::try_from(CLAIM_LEASE.as_secs()).unwrap_or(i64::MAX)
}

fn claimed(row: &Row<'_>) -> rusqlite::Result<Claimed> {
    Ok(Claimed {
        id: row.get(0)?,
        name: row.get(1)?,
        file_size: row.get::<_, i64>(2)?.unsigned_abs(),
    })
}

pub(super) fn condemn(
    connection: &Connection,
    rows: Rows,
    ids: &[i64],
    unused: Unused,
) -> rusqlite::Result<Vec<i64>> {
    let (touched, used) = (unused.touched(), unused.used());
    let mut condemned = Vec::new();
    for id in ids {
        let one = match rows {
            Rows::Paths => connection
                .prepare_cached(&sql(statements::CONDEMN_PATHS))?
                .query_row(params![id, touched, used], |row| row.get::<_, i64>(0)),
            Rows::Nars => connection
                .prepare_cached(&sql(statements::CONDEMN_NARS))?
                .query_row(params![id, touched], |row| row.get::<_, i64>(0)),
        };
        condemned.extend(one.optional()?);
    }
    Ok(condemned)
}

pub(super) fn claim(
    connection: &Connection,
    rows: Rows,
    ids: &[i64],
    unused: Unused,
    claim: i64,
) -> rusqlite::Result<Vec<Claimed>> {
    let (touched, used) = (unused.touched(), unused.used());
    let mut all = Vec::new();
    for id in ids {
        let one = match rows {
            Rows::Paths => connection
                .prepare_cached(&sql(statements::CLAIM_PATHS))?
                .query_row(params![id, touched, used, claim, lease()], claimed),
            Rows::Nars => connection
                .prepare_cached(&sql(statements::CLAIM_NARS))?
                .query_row(params![id, touched, claim, lease()], claimed),
        };
        all.extend(one.optional()?);
    }
    Ok(all)
}

/// The question for the state of a path, and the state that it has while it is being removed.
const PATH_STATE: (&str, i64) = ("select state from paths where hash = ?1 and state <> 0", 4);

/// The same for a NAR.
const NAR_STATE: (&str, i64) = ("select state from nars where key = ?1", 2);

/// Returns why something was not claimed.
fn not_claimed(
    connection: &Connection,
    name: &str,
    (question, deleting): (&str, i64),
) -> rusqlite::Result<Taken> {
    let mut state = connection.prepare_cached(question)?;
    let state: Option<i64> = state.query_row([name], |row| row.get(0)).optional()?;
    Ok(match state {
        Some(state) if state == deleting => Taken::Busy,
        Some(_) => Taken::Needed,
        None => Taken::Absent,
    })
}

/// Claims one thing by its name, or says why not.
fn claim_one(
    connection: &Connection,
    statement: &str,
    name: &str,
    claim: i64,
    state: (&str, i64),
) -> rusqlite::Result<Taken> {
    let mut statement = connection.prepare_cached(&sql(statement))?;
    let taken = statement.query_row(params![name, claim, lease()], claimed).optional()?;
    taken
        .map_or_else(|| not_claimed(connection, name, state), |claimed| Ok(Taken::Claimed(claimed)))
}

pub(super) fn claim_path(
    connection: &Connection,
    hash: &str,
    claim: i64,
    order: Order<'_>,
) -> rusqlite::Result<Taken> {
    let mut statement = connection.prepare_cached(&sql(statements::CLAIM_PATH))?;
    let parameters = params![hash, claim, lease(), i64::from(order.even_rooted)];
    let taken = statement.query_row(parameters, claimed).optional()?;
    let Some(claimed) = taken else { return not_claimed(connection, hash, PATH_STATE) };
    let mut note = connection.prepare_cached(statements::NOTE_DELETION)?;
    note.execute(params![hash, order.who.name, order.who.address, now()])?;
    Ok(Taken::Claimed(claimed))
}

pub(super) fn claim_ended(
    connection: &Connection,
    hash: &str,
    claim: i64,
) -> rusqlite::Result<Taken> {
    claim_one(connection, statements::CLAIM_ENDED, hash, claim, PATH_STATE)
}

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
) -> rusqlite::Result<Option<(PathRecord, Referrer)>> {
    let mut statement = connection.prepare_cached(&sql(statements::PATH_RECORD))?;
    let found = statement.query_row([hash], |row| {
        let path: String = row.get(5)?;
        let used: i64 = row.get(2)?;
        let Ok(path) = StorePath::parse(&path) else { return Ok(None) };
        let record = PathRecord {
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

pub(super) fn claim_stale(
    connection: &Connection,
    hash: &str,
    before: i64,
    claim: i64,
) -> rusqlite::Result<Option<Claimed>> {
    let mut statement = connection.prepare_cached(&sql(statements::CLAIM_STALE))?;
    statement.query_row(params![hash, claim, lease(), before], claimed).optional()
}

pub(super) fn holds(
    connection: &Connection,
    rows: Rows,
    id: i64,
    claim: i64,
) -> rusqlite::Result<bool> {
    let statement = match rows {
        Rows::Paths => statements::HOLDS_PATH,
        Rows::Nars => statements::HOLDS_NAR,
    };
    connection.prepare_cached(statement)?.exists([id, claim])
}

pub(super) fn note_nar_reads(connection: &Connection, keys: &[ObjectKey]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(statements::NOTE_NAR_READ)?;
    let now = now();
    for key in keys {
        statement.execute(params![key.as_str(), now])?;
    }
    Ok(())
}

pub(super) fn stored_since(connection: &Connection, after: i64) -> rusqlite::Result<(i64, u64)> {
    let mut statement = connection.prepare_cached(statements::STORED_SINCE)?;
    statement.query_row([after], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))
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

pub(super) fn claim_nar(
    connection: &Connection,
    key: &ObjectKey,
    claim: i64,
) -> rusqlite::Result<Taken> {
    claim_one(connection, statements::CLAIM_NAR, key.as_str(), claim, NAR_STATE)
}

pub(super) fn claim_orphan(
    connection: &Connection,
    key: &ObjectKey,
    claim: i64,
) -> rusqlite::Result<Option<Claimed>> {
    let mut statement = connection.prepare_cached(&sql(statements::CLAIM_ORPHAN))?;
    statement.query_row(params![key.as_str(), claim, lease(), NO_HASH], claimed).optional()
}

pub(super) fn give_back(
    connection: &Connection,
    rows: Rows,
    ids: &[i64],
    claim: i64,
) -> rusqlite::Result<()> {
    let statement = match rows {
        Rows::Paths => statements::GIVE_BACK_PATHS,
        Rows::Nars => statements::GIVE_BACK_NARS,
    };
    let mut statement = connection.prepare_cached(&sql(statement))?;
    for id in ids {
        statement.execute(params![id, claim])?;
    }
    Ok(())
}

pub(super) fn end_claims(
    connection: &Connection,
    rows: Rows,
    ids: &[i64],
    claim: i64,
) -> rusqlite::Result<()> {
    for id in ids {
        match rows {
            Rows::Paths => {
                let mut end = connection.prepare_cached(&sql(statements::END_PATHS))?;
                let ended = end.query_row(params![id, claim], |row| row.get(0)).optional()?;
                ended.map_or(Ok(()), |id| remove_path(connection, id))?;
            }
            Rows::Nars => {
                let mut end = connection.prepare_cached(&sql(statements::END_NARS))?;
                end.execute(params![id, claim])?;
            }
        }
    }
    Ok(())
}

/// Removes the edges of a path that is not here any more, its row, and the rows of paths elsewhere that only it referred to.
pub(super) fn remove_path(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    let mut edges = connection.prepare_cached(&sql(statements::REMOVE_EDGES))?;
    let references = edges.query_map([id], |row| row.get::<_, i64>(0))?;
    let references: Vec<i64> = references.collect::<rusqlite::Result<_>>()?;
    let mut remove = connection.prepare_cached(&sql(statements::REMOVE_PATHS))?;
    for row in references.into_iter().chain([id]) {
        remove.execute([row])?;
    }
    Ok(())
}

pub(super) fn revive(connection: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&sql(statements::REVIVE_PATHS))?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}

pub(super) fn begin_nar(connection: &Connection, key: &ObjectKey) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(&sql(statements::BEGIN_NAR))?;
    statement.exists(params![key.as_str(), now(), NO_HASH])
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
) -> rusqlite::Result<Vec<PathRow>> {
    let mut statement = connection.prepare_cached(statements::SNAPSHOT_PATHS)?;
    let found = statement.query_map([after, limit], |row| {
        Ok(PathRow {
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
