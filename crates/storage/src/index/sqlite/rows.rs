//! The statements of the index.

use std::time::{Duration, UNIX_EPOCH};

use rns_cache::Pusher;
use rns_formats::{HashPart, Sha256Digest};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{claims, redo_log::RedoState};
use crate::{
    index::{
        ImportedPath, IndexedNar, NarState, NewPath, PathState, PublishRefusal, Push, statements,
        types::{arbitrate, now, seconds, size},
    },
    objects::{ObjectKey, StorageName},
};

fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Sha256Digest> {
    row.get::<_, [u8; 32]>(column).map(Sha256Digest::from_bytes)
}

pub(super) fn nar(
    connection: &Connection,
    key: &ObjectKey,
) -> rusqlite::Result<Option<IndexedNar>> {
    let mut statement = connection.prepare_cached(statements::VERIFIED_NAR)?;
    let found = statement.query_row([key.as_str()], |row| {
        Ok(IndexedNar {
            file_hash: digest(row, 0)?,
            file_size: row.get::<_, i64>(1)?.unsigned_abs(),
            nar_hash: digest(row, 2)?,
            nar_size: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    });
    found.optional()
}

pub(super) fn put_nar(
    connection: &Connection,
    key: &ObjectKey,
    nar: &IndexedNar,
    at: i64,
) -> rusqlite::Result<()> {
    // SQLite copies each page that a statement changes, where the statement may change a row that is there.
    if !put_new_nar(connection, key, nar, at)? {
        put(connection, statements::PUT_NAR, (key, nar), at)?;
    }
    Ok(())
}

/// The same where the index does not know the NAR. Returns true if it was noted.
pub(super) fn put_new_nar(
    connection: &Connection,
    key: &ObjectKey,
    nar: &IndexedNar,
    at: i64,
) -> rusqlite::Result<bool> {
    put(connection, statements::PUT_NEW_NAR, (key, nar), at)
}

fn put(
    connection: &Connection,
    statement: &str,
    (key, nar): (&ObjectKey, &IndexedNar),
    at: i64,
) -> rusqlite::Result<bool> {
    let changed = connection.prepare_cached(statement)?.execute(params![
        key.as_str(),
        nar.file_hash.as_bytes(),
        size(nar.file_size),
        nar.nar_hash.as_bytes(),
        size(nar.nar_size),
        at,
    ])?;
    Ok(changed > 0)
}

pub(super) fn touch_nar(
    connection: &Connection,
    key: &ObjectKey,
    at: i64,
) -> rusqlite::Result<bool> {
    if connection.prepare_cached(statements::IS_NAR_TOUCHED)?.exists(params![key.as_str(), at])? {
        return Ok(true);
    }
    let mut statement = connection.prepare_cached(statements::TOUCH_NAR)?;
    Ok(statement.execute(params![key.as_str(), at])? > 0)
}

pub(super) fn nar_state(
    connection: &Connection,
    key: &ObjectKey,
) -> rusqlite::Result<Option<NarState>> {
    let mut statement = connection.prepare_cached(statements::NAR_STATE)?;
    let found = statement.query_row([key.as_str()], |row| row.get(0)).optional()?;
    Ok(found.map(NarState::of_number))
}

pub(super) fn state(
    connection: &Connection,
    hash: &HashPart,
) -> rusqlite::Result<Option<PathState>> {
    let mut statement = connection.prepare_cached("select state from paths where hash = ?1")?;
    let found = statement.query_row([hash.to_string()], |row| row.get(0)).optional()?;
    Ok(found.map(PathState::of_number))
}

pub(super) fn begin_publish(
    connection: &Connection,
    new: &NewPath,
    pusher: Option<&Pusher>,
    at: i64,
) -> rusqlite::Result<Option<PublishRefusal>> {
    if !touch_nar(connection, &new.nar, at)? {
        return Ok(Some(PublishRefusal::MissingNar));
    }
    let hash = new.path.hash_part().to_string();
    let mut statement = connection.prepare_cached(statements::PUBLICATION)?;
    let known = statement.query_row([hash], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    if let Some(refusal) = arbitrate(known.optional()?, &new.nar, at) {
        if refusal == PublishRefusal::AlreadyPublished {
            touch_path(connection, &new.path.hash_part(), at)?;
        }
        return Ok(Some(refusal));
    }
    let mut missing = Vec::new();
    let mut is_touched = connection.prepare_cached(statements::IS_REFERENCE_TOUCHED)?;
    let mut touch = connection.prepare_cached(statements::TOUCH_REFERENCE)?;
    for reference in &new.references {
        let hash = reference.hash_part();
        let parameters = params![hash.to_string(), at, reference.as_str()];
        let is_here = is_touched.exists(parameters)? || touch.execute(parameters)? > 0;
        if !is_here && !new.elsewhere.contains(&hash) {
            missing.push(reference.clone());
        }
    }
    if !missing.is_empty() {
        return Ok(Some(PublishRefusal::MissingReferences(missing)));
    }
    enter(connection, new, (None, PathState::Publishing), at)?;
    let Some(pusher) = pusher else { return Ok(None) };
    let hash = new.path.hash_part().to_string();
    connection.prepare_cached(statements::FORGET_PENDING)?.execute([&hash])?;
    let mut note = connection.prepare_cached(statements::NOTE_PUSH_OF)?;
    note.execute(params![hash, pusher.name, pusher.address, at, 1, new.path.as_str()])?;
    Ok(None)
}

/// Enters a path and its references. Those of a path that is published stay beside them: a narinfo that was read a while ago
/// takes none from it.
fn enter(
    connection: &Connection,
    new: &NewPath,
    (before, state): (Option<PathState>, PathState),
    at: i64,
) -> rusqlite::Result<()> {
    let hash = new.path.hash_part().to_string();
    let row = params![
        hash,
        new.path.as_str(),
        state.number(),
        new.nar.as_str(),
        size(new.nar_size),
        size(new.file_size),
        at,
        new.deriver.as_ref().map_or("", |deriver| deriver.as_str()),
    ];
    // SQLite copies each page that a statement changes, where the statement may change a row that is there.
    let is_new = connection.prepare_cached(statements::ENTER_NEW_PATH)?.execute(row)? > 0;
    let id: i64 = if is_new {
        connection.last_insert_rowid()
    } else {
        let mut statement = connection.prepare_cached(statements::ENTER_PATH)?;
        statement.query_row(row, |row| row.get(0))?
    };
    if !is_new && !before.is_some_and(PathState::is_visible) {
        connection.prepare_cached(statements::FORGET_EDGES)?.execute([id])?;
    }
    let mut placeholder = connection.prepare_cached(statements::PLACEHOLDER)?;
    let mut edge = connection.prepare_cached(
        "insert or ignore into refs (referrer, reference) select ?1, id from paths where hash = ?2",
    )?;
    for reference in &new.references {
        let hash = reference.hash_part().to_string();
        placeholder.execute(params![hash, reference.as_str()])?;
        edge.execute(params![id, hash])?;
    }
    Ok(())
}

pub(super) fn end_publish(
    connection: &Connection,
    hash: &HashPart,
    pusher: Option<&Pusher>,
    at: i64,
) -> rusqlite::Result<()> {
    let hash = hash.to_string();
    let mut publish = connection.prepare_cached(statements::END_PUBLISH)?;
    publish.execute([&hash])?;
    let Some(pusher) = pusher else { return Ok(()) };
    // The begun one is of the same pusher: others have waited for the path.
    let confirmed = connection.prepare_cached(statements::CONFIRM_PENDING)?.execute([&hash])?;
    if confirmed == 0 {
        let mut note = connection.prepare_cached(statements::NOTE_PUSH)?;
        note.execute(params![hash, pusher.name, pusher.address, at, 0])?;
    }
    Ok(())
}

/// Both the path and its NAR stay for the grace.
pub(super) fn touch_path(
    connection: &Connection,
    hash: &HashPart,
    at: i64,
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(statements::TOUCH_PATH)?;
    Ok(statement.execute(params![hash.to_string(), at])? > 0)
}

pub(super) fn note_reads(connection: &Connection, hashes: &[HashPart]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("update paths set used = ?2 where hash = ?1 and used < ?2")?;
    let now = now();
    for hash in hashes {
        statement.execute(params![hash.to_string(), now])?;
    }
    Ok(())
}

pub(super) fn pushes(connection: &Connection, hash: &HashPart) -> rusqlite::Result<Vec<Push>> {
    let mut statement = connection.prepare_cached(statements::PUSHES)?;
    let found = statement.query_map([hash.to_string()], |row| {
        let at = Duration::from_secs(row.get::<_, i64>(2)?.unsigned_abs());
        let pusher = Pusher { name: row.get(0)?, address: row.get(1)? };
        let is_confirmed = row.get::<_, i64>(3)? == 0;
        Ok(Push { pusher, at: UNIX_EPOCH + at, is_confirmed })
    })?;
    found.collect()
}

/// Returns whether it was entered: a NAR that is being removed stays so.
pub(super) fn import(connection: &Connection, imported: &ImportedPath) -> rusqlite::Result<bool> {
    let hash = imported.path.path.hash_part();
    let before = state(connection, &hash)?;
    if before == Some(PathState::Deleting) {
        return Ok(false);
    }
    let nar = &imported.nar;
    let has_nar = connection.prepare_cached(statements::IMPORT_NAR)?.execute(params![
        imported.path.nar.as_str(),
        nar.file_hash.as_bytes(),
        size(nar.file_size),
        nar.nar_hash.as_bytes(),
        size(nar.nar_size),
        seconds(imported.stored),
        now(),
    ])?;
    if has_nar == 0 {
        return Ok(false);
    }
    connection.prepare_cached(statements::CONFIRM_PENDING)?.execute([hash.to_string()])?;
    // The grace begins now: nothing is known of its use.
    enter(connection, &imported.path, (before, PathState::Published), now())?;
    Ok(true)
}

pub(super) fn published_after(
    connection: &Connection,
    after: Option<&HashPart>,
    limit: usize,
) -> rusqlite::Result<Vec<(HashPart, ObjectKey)>> {
    let mut statement = connection.prepare_cached(statements::PUBLISHED_AFTER)?;
    let after = after.map(ToString::to_string).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map(params![after, limit], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let found: Vec<(String, String)> = found.collect::<rusqlite::Result<_>>()?;
    Ok(found
        .iter()
        .filter_map(|(hash, key)| Some((HashPart::parse(hash).ok()?, ObjectKey::listed(key))))
        .collect())
}

/// Paths that still refer to it keep their edges; its own edges go.
pub(super) fn forget_path(connection: &Connection, hash: &HashPart) -> rusqlite::Result<()> {
    let mut unpublish = connection.prepare_cached(statements::UNPUBLISH)?;
    let id = unpublish.query_row([hash.to_string()], |row| row.get(0)).optional()?;
    id.map_or(Ok(()), |id| claims::remove_path(connection, id))
}

/// Returns the names of the storage that this is the index of.
pub(super) fn storage_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(statements::STORAGE_NAMES)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// What the index says of its redo log.
pub(super) fn redo_state(connection: &Connection) -> rusqlite::Result<RedoState> {
    let mut statement = connection.prepare_cached("select index_number, committed from redo")?;
    statement.query_row([], |row| Ok(RedoState { index: row.get(0)?, committed: row.get(1)? }))
}

/// The orders of this frame, and of all before it, are committed with this transaction.
pub(super) fn end_redo(connection: &Connection, frame: i64) -> rusqlite::Result<()> {
    let mut end =
        connection.prepare_cached("update redo set committed = ?1 where committed < ?1")?;
    match end.execute([frame])? {
        1 => Ok(()),
        changed => Err(rusqlite::Error::StatementChangedRows(changed)),
    }
}

/// The same: this one, where there was none.
pub(super) fn claim_for_storage(
    connection: &Connection,
    name: &StorageName,
) -> rusqlite::Result<Vec<String>> {
    connection.execute(statements::CLAIM_FOR_STORAGE, [name.as_str()])?;
    storage_names(connection)
}

pub(super) fn add_storage_name(
    connection: &Connection,
    name: &StorageName,
) -> rusqlite::Result<()> {
    connection.execute(statements::ADD_STORAGE_NAME, [name.as_str()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rns_formats::StorePath;
    use rusqlite::StatementStatus;

    use super::*;
    use crate::index::sqlite::schema;

    #[test]
    fn no_statement_of_a_push_is_compiled_for_each_path() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("index.sqlite");
        let connection = schema::open(&file, Duration::from_secs(1), false).unwrap();
        let pusher = Pusher { name: "ci".to_owned(), address: None };
        let mut references = Vec::new();
        for name in ["one", "two", "three"] {
            let digest = Sha256Digest::of(name.as_bytes());
            let nar_key = ObjectKey::listed(&format!("nar/{name}.nar"));
            let size = name.len() as u64;
            let nar =
                IndexedNar { file_hash: digest, file_size: size, nar_hash: digest, nar_size: size };
            let path =
                StorePath::parse(&format!("{}-{name}", digest.to_nix32().get(..32).unwrap()))
                    .unwrap();
            let new = NewPath {
                path: path.clone(),
                nar: nar_key.clone(),
                nar_size: size,
                file_size: size,
                references: references.clone(),
                deriver: Some(path.clone()),
                elsewhere: Vec::new(),
            };
            put_nar(&connection, &nar_key, &nar, now()).unwrap();
            assert_eq!(begin_publish(&connection, &new, Some(&pusher), now()).unwrap(), None);
            end_publish(&connection, &path.hash_part(), Some(&pusher), now()).unwrap();
            references.push(path);
        }
        for text in [
            statements::PUT_NEW_NAR,
            statements::IS_NAR_TOUCHED,
            statements::PUBLICATION,
            statements::IS_REFERENCE_TOUCHED,
            statements::ENTER_NEW_PATH,
            statements::PLACEHOLDER,
            statements::FORGET_PENDING,
            statements::NOTE_PUSH_OF,
            statements::END_PUBLISH,
            statements::CONFIRM_PENDING,
        ] {
            let statement = connection.prepare_cached(text).unwrap();
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{text}");
        }
    }
}
