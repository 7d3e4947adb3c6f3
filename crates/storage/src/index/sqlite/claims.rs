//! The statements of claims: rows are condemned, claimed, given back and removed.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{
    index::{
        ClaimOutcome, Claimed, RemovalOrder, RowKind, Unused, collection_statements as statements,
        collection_types::CLAIM_LEASE, document_statements as documents, types::now,
    },
    objects::ObjectKey,
};

/// A statement in the spelling of SQLite.
pub(super) fn sql(statement: &str) -> String {
    statement.replace("{these}", "= ?1").replace("{now}", "unixepoch()").replace("{c}", "")
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
    rows: RowKind,
    ids: &[i64],
    unused: Unused,
) -> rusqlite::Result<Vec<i64>> {
    let (touched, used) = (unused.touched(), unused.used());
    let mut condemned = Vec::new();
    for id in ids {
        let one = match rows {
            RowKind::Documents => Ok(*id),
            RowKind::Paths => connection
                .prepare_cached(&sql(statements::CONDEMN_PATHS))?
                .query_row(params![id, touched, used], |row| row.get::<_, i64>(0)),
            RowKind::Nars => connection
                .prepare_cached(&sql(statements::CONDEMN_NARS))?
                .query_row(params![id, touched], |row| row.get::<_, i64>(0)),
        };
        condemned.extend(one.optional()?);
    }
    Ok(condemned)
}

pub(super) fn claim(
    connection: &Connection,
    rows: RowKind,
    ids: &[i64],
    unused: Unused,
    claim: i64,
) -> rusqlite::Result<Vec<Claimed>> {
    let (touched, used) = (unused.touched(), unused.used());
    let mut all = Vec::new();
    for id in ids {
        let one = match rows {
            RowKind::Paths => connection
                .prepare_cached(&sql(statements::CLAIM_PATHS))?
                .query_row(params![id, touched, used, claim, lease()], claimed),
            RowKind::Nars => connection
                .prepare_cached(&sql(statements::CLAIM_NARS))?
                .query_row(params![id, touched, claim, lease()], claimed),
            RowKind::Documents => connection
                .prepare_cached(&sql(documents::CLAIM_DOCUMENTS))?
                .query_row(params![id, touched, claim, lease()], claimed),
        };
        all.extend(one.optional()?);
    }
    Ok(all)
}

/// Returns why something was not claimed.
fn not_claimed(
    connection: &Connection,
    name: &str,
    (question, deleting): (&str, i64),
) -> rusqlite::Result<ClaimOutcome> {
    let mut state = connection.prepare_cached(question)?;
    let state: Option<i64> = state.query_row([name], |row| row.get(0)).optional()?;
    Ok(match state {
        Some(state) if state == deleting => ClaimOutcome::Busy,
        Some(_) => ClaimOutcome::Needed,
        None => ClaimOutcome::Absent,
    })
}

/// Claims one thing by its name, or says why not.
fn claim_one(
    connection: &Connection,
    statement: &str,
    name: &str,
    claim: i64,
    state: (&str, i64),
) -> rusqlite::Result<ClaimOutcome> {
    let mut statement = connection.prepare_cached(&sql(statement))?;
    let taken = statement.query_row(params![name, claim, lease()], claimed).optional()?;
    taken.map_or_else(
        || not_claimed(connection, name, state),
        |claimed| Ok(ClaimOutcome::Claimed(claimed)),
    )
}

pub(super) fn claim_path(
    connection: &Connection,
    hash: &str,
    claim: i64,
    order: RemovalOrder<'_>,
) -> rusqlite::Result<ClaimOutcome> {
    let mut statement = connection.prepare_cached(&sql(statements::CLAIM_PATH))?;
    let parameters = params![hash, claim, lease(), i64::from(order.even_rooted)];
    let taken = statement.query_row(parameters, claimed).optional()?;
    let Some(claimed) = taken else {
        return not_claimed(connection, hash, statements::PATH_REMOVAL);
    };
    let mut note = connection.prepare_cached(statements::NOTE_DELETION)?;
    note.execute(params![hash, order.who.name, order.who.address, now()])?;
    Ok(ClaimOutcome::Claimed(claimed))
}

pub(super) fn claim_ended(
    connection: &Connection,
    hash: &str,
    claim: i64,
) -> rusqlite::Result<ClaimOutcome> {
    claim_one(connection, statements::CLAIM_ENDED, hash, claim, statements::PATH_REMOVAL)
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
    rows: RowKind,
    id: i64,
    claim: i64,
) -> rusqlite::Result<bool> {
    let statement = match rows {
        RowKind::Paths => statements::HOLDS_PATH,
        RowKind::Nars => statements::HOLDS_NAR,
        RowKind::Documents => documents::HOLDS_DOCUMENT,
    };
    connection.prepare_cached(statement)?.exists([id, claim])
}

pub(super) fn claim_nar(
    connection: &Connection,
    key: &ObjectKey,
    claim: i64,
) -> rusqlite::Result<ClaimOutcome> {
    claim_one(connection, statements::CLAIM_NAR, key.as_str(), claim, statements::NAR_REMOVAL)
}

pub(super) fn claim_orphans(
    connection: &Connection,
    keys: &[ObjectKey],
    claim: i64,
) -> rusqlite::Result<Vec<Claimed>> {
    let mut statement = connection.prepare_cached(&sql(statements::CLAIM_ORPHAN))?;
    let mut all = Vec::new();
    for key in keys {
        let parameters = params![key.as_str(), claim, lease(), statements::NO_HASH];
        all.extend(statement.query_row(parameters, claimed).optional()?);
    }
    Ok(all)
}

pub(super) fn give_back(
    connection: &Connection,
    rows: RowKind,
    ids: &[i64],
    claim: i64,
) -> rusqlite::Result<()> {
    let statement = match rows {
        RowKind::Paths => statements::GIVE_BACK_PATHS,
        RowKind::Nars => statements::GIVE_BACK_NARS,
        RowKind::Documents => documents::GIVE_BACK_DOCUMENTS,
    };
    let mut statement = connection.prepare_cached(&sql(statement))?;
    for id in ids {
        statement.execute(params![id, claim])?;
    }
    Ok(())
}

pub(super) fn end_claims(
    connection: &Connection,
    rows: RowKind,
    ids: &[i64],
    claim: i64,
) -> rusqlite::Result<()> {
    for id in ids {
        match rows {
            RowKind::Paths => {
                let mut end = connection.prepare_cached(&sql(statements::END_PATHS))?;
                let ended = end.query_row(params![id, claim], |row| row.get(0)).optional()?;
                ended.map_or(Ok(()), |id| remove_path(connection, id))?;
            }
            RowKind::Nars => {
                let mut end = connection.prepare_cached(&sql(statements::END_NARS))?;
                end.execute(params![id, claim])?;
            }
            RowKind::Documents => {
                let mut end = connection.prepare_cached(&sql(documents::END_DOCUMENTS))?;
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
    statement.exists(params![key.as_str(), now(), statements::NO_HASH])
}
