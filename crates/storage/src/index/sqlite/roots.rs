//! The statements for roots. The database follows closures, of any size.

use rns_cache::{RootRevision, RootSummary};
use rns_formats::{HashPart, RootName, StorePath};
use rusqlite::{Connection, Row, params};

use crate::index::{
    AbsentPath, NewRevision, PathState,
    roots::{RevisionRow, integer},
    statements,
    types::{now, seconds},
};

/// The ids of the paths with the hash parts in `?1`, and of all that they need.
macro_rules! with_closure {
    ($statement:literal) => {
        concat!(
            "with recursive closure (id) as ( \
               select p.id from json_each(?1) given cross join paths p on p.hash = given.value \
               union \
               select r.reference from closure c join refs r on r.referrer = c.id) ",
            $statement
        )
    };
}

fn json<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    serde_json::Value::from_iter(items.into_iter().map(|item| item.to_string())).to_string()
}

fn hashes(paths: &[StorePath]) -> Vec<HashPart> {
    paths.iter().map(StorePath::hash_part).collect()
}

pub(super) fn absent_of_closure(
    connection: &Connection,
    paths: &[HashPart],
    limit: usize,
) -> rusqlite::Result<Vec<AbsentPath>> {
    let given = json(paths);
    let mut unknown = connection.prepare_cached(
        "select value, null, null from json_each(?1) \
         where not exists (select 1 from paths where hash = value) limit ?2",
    )?;
    let mut absent = connection.prepare_cached(with_closure!(
        "select p.hash, p.path, p.state from closure c cross join paths p on p.id = c.id \
         where p.state not in (2, 3) limit ?2"
    ))?;
    let mut found = Vec::new();
    for statement in [&mut unknown, &mut absent] {
        let rows = statement.query_map(params![given, integer(limit)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?))
        })?;
        for row in rows {
            let (hash, path, state): (_, Option<String>, Option<i64>) = row?;
            let Ok(hash) = HashPart::parse(&hash) else { continue };
            let path = path.and_then(|path| StorePath::parse(&path).ok());
            found.push(AbsentPath { hash, path, state: state.map(PathState::of_number) });
        }
    }
    Ok(found)
}

pub(super) fn known_paths(
    connection: &Connection,
    paths: &[HashPart],
) -> rusqlite::Result<Vec<StorePath>> {
    let mut statement = connection.prepare_cached(
        "select p.path from json_each(?1) given cross join paths p on p.hash = given.value",
    )?;
    let found = statement.query_map([json(paths)], |row| row.get::<_, String>(0))?;
    let found: Vec<String> = found.collect::<rusqlite::Result<_>>()?;
    Ok(found.iter().filter_map(|path| StorePath::parse(path).ok()).collect())
}

pub(super) fn register_root(
    connection: &Connection,
    root: &NewRevision<'_>,
    limit: usize,
) -> rusqlite::Result<Vec<AbsentPath>> {
    let given = hashes(&root.revision.paths);
    let absent = absent_of_closure(connection, &given, root.elsewhere.len() + limit)?;
    let missing = root.missing(absent);
    if !missing.is_empty() {
        return Ok(missing);
    }
    enter_placeholders(connection, root.named_elsewhere())?;
    enter_root(connection, root.name, root.revision)?;
    let keep = root.keep.iter().copied().chain([root.revision.revision]);
    retain_revisions(connection, root.name, &keep.collect::<Vec<_>>())?;
    Ok(missing)
}

/// Paths that a root names and that are not here.
fn enter_placeholders<'a>(
    connection: &Connection,
    paths: impl IntoIterator<Item = &'a StorePath>,
) -> rusqlite::Result<()> {
    let mut placeholder = connection.prepare_cached(statements::PLACEHOLDER)?;
    for path in paths {
        placeholder.execute(params![path.hash_part().to_string(), path.as_str()])?;
    }
    Ok(())
}

/// Enters a revision, and publishes the condemned paths of its closure again.
fn enter_root(
    connection: &Connection,
    name: &RootName,
    revision: &RootRevision,
) -> rusqlite::Result<()> {
    let given = json(hashes(&revision.paths));
    connection
        .prepare_cached(with_closure!(
            "update paths set state = 2 where state = 3 and id in (select id from closure)"
        ))?
        .execute([&given])?;
    let mut enter = connection.prepare_cached(statements::ENTER_ROOT)?;
    let parameters = params![
        name.as_str(),
        integer(revision.revision),
        seconds(revision.created),
        revision.expires.map(seconds),
        revision.label.as_ref().map(|label| label.as_str()),
        revision.pusher.name,
        revision.pusher.address,
    ];
    let id: i64 = enter.query_row(parameters, |row| row.get(0))?;
    connection.prepare_cached(statements::FORGET_ROOT_PATHS)?.execute([id])?;
    connection
        .prepare_cached(
            "insert into root_paths (root, path) select distinct ?2, p.id \
             from json_each(?1) given cross join paths p on p.hash = given.value",
        )?
        .execute(params![given, id])?;
    Ok(())
}

pub(super) fn import_root(
    connection: &Connection,
    name: &RootName,
    revisions: &[RootRevision],
) -> rusqlite::Result<()> {
    for revision in revisions {
        enter_placeholders(connection, &revision.paths)?;
        enter_root(connection, name, revision)?;
    }
    Ok(())
}

pub(super) fn retain_revisions(
    connection: &Connection,
    name: &RootName,
    keep: &[u64],
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "delete from roots where name = ?1 \
         and revision not in (select cast(value as integer) from json_each(?2))",
    )?;
    Ok(statement.execute([name.as_str(), &json(keep)])? > 0)
}

fn revision_row(row: &Row<'_>) -> rusqlite::Result<RevisionRow> {
    Ok(RevisionRow {
        id: row.get(0)?,
        revision: row.get(1)?,
        created: row.get(2)?,
        expires: row.get(3)?,
        label: row.get(4)?,
        pusher: row.get(5)?,
        address: row.get(6)?,
    })
}

fn paths_of(connection: &Connection, root: i64, limit: usize) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select p.path from root_paths r join paths p on p.id = r.path where r.root = ?1 \
         order by p.hash limit ?2",
    )?;
    let found = statement.query_map([root, integer(limit)], |row| row.get(0))?;
    found.collect()
}

pub(super) fn roots(
    connection: &Connection,
    after: Option<&RootName>,
    limit: usize,
    max_paths: usize,
) -> rusqlite::Result<Vec<RootSummary>> {
    let after = after.map(RootName::as_str).unwrap_or_default();
    let mut statement = connection.prepare_cached(statements::KEPT_ROOTS)?;
    let found = statement.query_map(params![after, now(), integer(limit)], |row| {
        let counts: (i64, i64) = (row.get(8)?, row.get(9)?);
        Ok((revision_row(row)?, row.get::<_, String>(7)?, counts))
    })?;
    let mut roots = Vec::new();
    for row in found {
        let (row, name, (paths, revisions)) = row?;
        let Ok(name) = RootName::parse(&name) else { continue };
        let first = paths_of(connection, row.id, max_paths)?;
        roots.push(RootSummary {
            name,
            newest: row.with_paths(&first),
            path_count: paths.unsigned_abs(),
            revision_count: revisions.unsigned_abs(),
        });
    }
    Ok(roots)
}

pub(super) fn root(
    connection: &Connection,
    name: &RootName,
) -> rusqlite::Result<Vec<RootRevision>> {
    let mut statement = connection.prepare_cached(statements::REVISIONS)?;
    let rows = statement.query_map(params![name.as_str(), now()], revision_row)?;
    let mut revisions = Vec::new();
    for row in rows {
        let row = row?;
        let paths = paths_of(connection, row.id, usize::MAX)?;
        revisions.push(row.with_paths(&paths));
    }
    Ok(revisions)
}

pub(super) fn expired_roots(
    connection: &Connection,
    limit: usize,
) -> rusqlite::Result<Vec<RootName>> {
    let mut statement = connection.prepare_cached(statements::EXPIRED_ROOTS)?;
    let found = statement.query_map([now(), integer(limit)], |row| row.get::<_, String>(0))?;
    let found: Vec<String> = found.collect::<rusqlite::Result<_>>()?;
    Ok(found.iter().filter_map(|name| RootName::parse(name).ok()).collect())
}
