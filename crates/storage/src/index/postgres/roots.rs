//! The statements for roots. The database follows closures, of any size.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use rns_cache::{RootRevision, RootSummary};
use rns_formats::{HashPart, RootName, StorePath};
use tokio_postgres::{Error, Row};

use super::{
    locks::STATE_LOCK,
    rows::{sql, texts},
};
use crate::index::{
    AbsentPath, NewRevision, PathState,
    roots::{RevisionRow, integer},
    statements,
    types::{now, seconds},
};

/// The ids of the paths with the hash parts in `$1`, and of all that they need.
///
/// `offset 0` keeps the planner from joining whole tables at each step, which it prefers while it has no statistics.
macro_rules! with_closure {
    ($statement:literal) => {
        concat!(
            "with recursive closure (id) as ( \
               select id from paths where hash = any($1::text[]) \
               union \
               select r.reference from closure c cross join lateral \
                 (select reference from refs where referrer = c.id offset 0) r) ",
            $statement
        )
    };
}

fn hashes(paths: &[StorePath]) -> Vec<HashPart> {
    paths.iter().map(StorePath::hash_part).collect()
}

/// While roots are registered, no path is collected.
async fn lock_state(client: &impl GenericClient) -> Result<(), Error> {
    let statement = client.prepare_cached("select pg_advisory_xact_lock_shared($1)").await?;
    client.execute(&statement, &[&STATE_LOCK]).await?;
    Ok(())
}

pub(super) async fn absent_of_closure(
    client: &impl GenericClient,
    paths: &[HashPart],
    limit: usize,
) -> Result<Vec<AbsentPath>, Error> {
    let unknown = client
        .prepare_cached(
            "select given, null::text, null::bigint from unnest($1::text[]) given \
             where not exists (select 1 from paths where hash = given) limit $2",
        )
        .await?;
    let absent = client
        .prepare_cached(with_closure!(
            "select p.hash, p.path, p.state from closure c cross join lateral \
               (select hash, path, state from paths where id = c.id offset 0) p \
             where p.state not in (2, 3) limit $2"
        ))
        .await?;
    let given = texts(paths);
    let mut found = Vec::new();
    for statement in [&unknown, &absent] {
        for row in client.query(statement, &[&given, &integer(limit)]).await? {
            let Ok(hash) = HashPart::parse(row.get(0)) else { continue };
            let path: Option<&str> = row.get(1);
            let state: Option<i64> = row.get(2);
            found.push(AbsentPath {
                hash,
                path: path.and_then(|path| StorePath::parse(path).ok()),
                state: state.map(PathState::of_number),
            });
        }
    }
    Ok(found)
}

pub(super) async fn known_paths(
    client: &impl GenericClient,
    paths: &[HashPart],
) -> Result<Vec<StorePath>, Error> {
    let statement = client.prepare_cached("select path from paths where hash = any($1)").await?;
    let rows = client.query(&statement, &[&texts(paths)]).await?;
    Ok(rows.iter().filter_map(|row| StorePath::parse(row.get(0)).ok()).collect())
}

pub(super) async fn register_root(
    client: &impl GenericClient,
    root: &NewRevision<'_>,
    limit: usize,
) -> Result<Vec<AbsentPath>, Error> {
    lock_state(client).await?;
    let given = hashes(&root.revision.paths);
    let absent = absent_of_closure(client, &given, root.elsewhere.len() + limit).await?;
    let missing = root.missing(absent);
    if !missing.is_empty() {
        return Ok(missing);
    }
    enter_placeholders(client, &root.named_elsewhere()).await?;
    enter_root(client, root.name, root.revision).await?;
    let keep: Vec<_> = root.keep.iter().copied().chain([root.revision.revision]).collect();
    retain_revisions(client, root.name, &keep).await?;
    Ok(missing)
}

/// Paths that a root names and that are not here, in the order of their hash parts.
async fn enter_placeholders(
    client: &impl GenericClient,
    paths: &[&StorePath],
) -> Result<(), Error> {
    let hashes: Vec<_> = paths.iter().map(|path| path.hash_part().to_string()).collect();
    let paths: Vec<_> = paths.iter().map(|path| path.as_str()).collect();
    let statement = client
        .prepare_cached(
            "insert into paths (hash, path, state) select h, p, 0 \
             from unnest($1::text[], $2::text[]) as t (h, p) on conflict (hash) do nothing",
        )
        .await?;
    client.execute(&statement, &[&hashes, &paths]).await?;
    Ok(())
}

/// Enters a revision, and publishes the condemned paths of its closure again.
async fn enter_root(
    client: &impl GenericClient,
    name: &RootName,
    revision: &RootRevision,
) -> Result<(), Error> {
    let given = texts(&hashes(&revision.paths));
    // Rows are locked in the order of their hash parts, as everywhere.
    let lock = client
        .prepare_cached(with_closure!(
            "select p.id from paths p where p.id = any(array( \
               select p.id from closure c cross join lateral \
                 (select id, state from paths where id = c.id offset 0) p where p.state = 3)) \
             order by p.hash for no key update"
        ))
        .await?;
    let condemned: Vec<i64> =
        client.query(&lock, &[&given]).await?.iter().map(|row| row.get(0)).collect();
    let revive = client
        .prepare_cached("update paths set state = 2 where state = 3 and id = any($1)")
        .await?;
    client.execute(&revive, &[&condemned]).await?;
    let statement = client.prepare_cached(&sql(statements::ENTER_ROOT)).await?;
    let entered = client
        .query_one(
            &statement,
            &[
                &name.as_str(),
                &integer(revision.revision),
                &seconds(revision.created),
                &revision.expires.map(seconds),
                &revision.label.as_ref().map(|label| label.as_str()),
                &revision.pusher.name,
                &revision.pusher.address,
            ],
        )
        .await?;
    let id: i64 = entered.get(0);
    let statement = client.prepare_cached(&sql(statements::FORGET_ROOT_PATHS)).await?;
    client.execute(&statement, &[&id]).await?;
    let statement = client
        .prepare_cached(
            "insert into root_paths (root, path) \
             select $2, id from paths where hash = any($1::text[])",
        )
        .await?;
    client.execute(&statement, &[&given, &id]).await?;
    Ok(())
}

pub(super) async fn import_root(
    client: &impl GenericClient,
    name: &RootName,
    revisions: &[RootRevision],
) -> Result<(), Error> {
    lock_state(client).await?;
    for revision in revisions {
        let mut paths: Vec<_> = revision.paths.iter().collect();
        paths.sort_unstable();
        enter_placeholders(client, &paths).await?;
        enter_root(client, name, revision).await?;
    }
    Ok(())
}

pub(super) async fn retain_revisions(
    client: &impl GenericClient,
    name: &RootName,
    keep: &[u64],
) -> Result<bool, Error> {
    let keep: Vec<i64> = keep.iter().copied().map(integer).collect();
    let statement =
        client.prepare_cached("delete from roots where name = $1 and revision <> all($2)").await?;
    Ok(client.execute(&statement, &[&name.as_str(), &keep]).await? > 0)
}

fn revision_row(row: &Row) -> RevisionRow {
    RevisionRow {
        id: row.get(0),
        revision: row.get(1),
        created: row.get(2),
        expires: row.get(3),
        label: row.get(4),
        pusher: row.get(5),
        address: row.get(6),
    }
}

/// The first paths of each of these revisions.
async fn paths_of(
    client: &impl GenericClient,
    roots: &[i64],
    limit: usize,
) -> Result<HashMap<i64, Vec<String>>, Error> {
    let statement = client
        .prepare_cached(
            "select root, path from (select r.root, p.hash, p.path, \
               row_number() over (partition by r.root order by p.hash) as number \
               from root_paths r join paths p on p.id = r.path where r.root = any($1)) named \
             where number <= $2 order by root, hash",
        )
        .await?;
    let mut paths: HashMap<i64, Vec<String>> = HashMap::new();
    for row in client.query(&statement, &[&roots, &integer(limit)]).await? {
        paths.entry(row.get(0)).or_default().push(row.get(1));
    }
    Ok(paths)
}

pub(super) async fn roots(
    client: &impl GenericClient,
    after: Option<&RootName>,
    limit: usize,
    max_paths: usize,
) -> Result<Vec<RootSummary>, Error> {
    let statement = client.prepare_cached(&sql(statements::KEPT_ROOTS)).await?;
    let after = after.map(RootName::as_str).unwrap_or_default();
    let rows = client.query(&statement, &[&after, &now(), &integer(limit)]).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut paths = paths_of(client, &ids, max_paths).await?;
    let mut roots = Vec::with_capacity(rows.len());
    for row in &rows {
        let Ok(name) = RootName::parse(row.get(7)) else { continue };
        let revision = revision_row(row);
        let first = paths.remove(&revision.id).unwrap_or_default();
        roots.push(RootSummary {
            name,
            newest: revision.with_paths(&first),
            path_count: row.get::<_, i64>(8).unsigned_abs(),
            revision_count: row.get::<_, i64>(9).unsigned_abs(),
        });
    }
    Ok(roots)
}

pub(super) async fn root(
    client: &impl GenericClient,
    name: &RootName,
) -> Result<Vec<RootRevision>, Error> {
    let statement = client.prepare_cached(&sql(statements::REVISIONS)).await?;
    let rows = client.query(&statement, &[&name.as_str(), &now()]).await?;
    let rows: Vec<_> = rows.iter().map(revision_row).collect();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut paths = paths_of(client, &ids, usize::MAX).await?;
    let revision = |row: RevisionRow| {
        let paths = paths.remove(&row.id).unwrap_or_default();
        row.with_paths(&paths)
    };
    Ok(rows.into_iter().map(revision).collect())
}

pub(super) async fn expired_roots(
    client: &impl GenericClient,
    limit: usize,
) -> Result<Vec<RootName>, Error> {
    let statement = client.prepare_cached(&sql(statements::EXPIRED_ROOTS)).await?;
    let rows = client.query(&statement, &[&now(), &integer(limit)]).await?;
    Ok(rows.iter().filter_map(|row| RootName::parse(row.get(0)).ok()).collect())
}
