//! The statements of collection that read and note: records of paths, snapshots, times of use.

use std::{collections::HashSet, time::Duration};

use deadpool_postgres::GenericClient;
use rns_cache::Pusher;
use rns_formats::{HashPart, StorePath};
use tokio_postgres::{Error, Row, types::ToSql};

use super::claims::{execute, query};
use crate::{
    index::{
        CollectionRecord, Deletion, IndexedPath, IndexedPathRow, NarRow, PathState, Referrer,
        StoredSince, collection_statements as statements,
        types::{now, time},
    },
    objects::ObjectKey,
};

/// Taken by the one server that collects.
pub(super) const COLLECTION_LOCK: i64 = 0x0072_6e73_0003;

fn referrer(row: &Row) -> Referrer {
    Referrer {
        id: row.get(0),
        touched: row.get(1),
        used: row.get(2),
        is_publishing: PathState::of_number(row.get(3)) == PathState::Publishing,
        root: row.get(4),
    }
}

pub(super) async fn path_record(
    client: &impl GenericClient,
    hash: &HashPart,
) -> Result<Option<(IndexedPath, Referrer)>, Error> {
    let found = query(client, statements::PATH_RECORD, &[&hash.to_string()]).await?;
    let record = |row: &Row| {
        let used: i64 = row.get(2);
        let record = IndexedPath {
            path: StorePath::parse(row.get(5)).ok()?,
            state: PathState::of_number(row.get(3)),
            published: time(row.get(6)),
            touched: time(row.get(1)),
            used: (used > 0).then(|| time(used)),
            nar_size: row.get::<_, i64>(7).unsigned_abs(),
            file_size: row.get::<_, i64>(8).unsigned_abs(),
        };
        Some((record, referrer(row)))
    };
    Ok(found.first().and_then(record))
}

pub(super) async fn referrers_of(
    client: &impl GenericClient,
    ids: &[i64],
    limit: usize,
) -> Result<Vec<(i64, Referrer)>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = query(client, statements::REFERRERS_OF, &[&ids, &limit]).await?;
    Ok(found.iter().map(|row| (row.get(5), referrer(row))).collect())
}

pub(super) async fn references_of(
    client: &impl GenericClient,
    ids: &[i64],
) -> Result<Vec<(i64, i64)>, Error> {
    let found = query(client, statements::REFERENCES_OF, &[&ids]).await?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Rows are locked in the order of their hash parts, as everywhere.
pub(super) async fn note_nar_reads(
    client: &impl GenericClient,
    keys: &[ObjectKey],
) -> Result<(), Error> {
    let keys: Vec<&str> = keys.iter().map(ObjectKey::as_str).collect();
    let statement = "\
        with read as (select p.id from paths p join nars n on n.id = p.nar where n.key = any(?1) \
          order by p.hash for no key update of p) \
        update paths set used = ?2 from read where paths.id = read.id and used < ?2";
    execute(client, statement, &[&keys, &now()]).await.map(|_| ())
}

pub(super) async fn known_nars(
    client: &impl GenericClient,
    keys: &[ObjectKey],
) -> Result<HashSet<String>, Error> {
    let keys: Vec<&str> = keys.iter().map(ObjectKey::as_str).collect();
    let rows = query(client, "select key from nars where key = any(?1)", &[&keys]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn stored_since(
    client: &impl GenericClient,
    after: i64,
) -> Result<StoredSince, Error> {
    let rows = query(client, statements::STORED_SINCE, &[&after]).await?;
    let nothing = StoredSince { newest: after, settled: 0, all: 0 };
    Ok(rows.first().map_or(nothing, |row| StoredSince {
        newest: row.get(0),
        settled: row.get::<_, i64>(1).unsigned_abs(),
        all: row.get::<_, i64>(2).unsigned_abs(),
    }))
}

/// The time of the database must lie between the question and its answer.
pub(super) async fn clock_difference(client: &impl GenericClient) -> Result<Duration, Error> {
    let asked = now();
    let rows = query(client, "select {now}", &[]).await?;
    let answered = now();
    let there = rows.first().map_or(asked, |row| row.get::<_, i64>(0));
    Ok(Duration::from_secs(there.abs_diff(there.clamp(asked, answered))))
}

pub(super) async fn note_collection(
    client: &impl GenericClient,
    begun: i64,
    paths: i64,
    bytes: i64,
) -> Result<(), Error> {
    execute(client, statements::NOTE_COLLECTION, &[&begun, &now(), &paths, &bytes]).await?;
    execute(client, statements::FORGET_COLLECTIONS, &[]).await.map(|_| ())
}

pub(super) async fn last_collection(
    client: &impl GenericClient,
) -> Result<Option<CollectionRecord>, Error> {
    let last = query(client, statements::LAST_COLLECTION, &[]).await?;
    Ok(last.first().map(|row| CollectionRecord {
        begun: time(row.get(0)),
        ended: time(row.get(1)),
        paths: row.get::<_, i64>(2).unsigned_abs(),
        bytes: row.get::<_, i64>(3).unsigned_abs(),
    }))
}

pub(super) async fn referrers(
    client: &impl GenericClient,
    hash: &HashPart,
    limit: i64,
) -> Result<Vec<StorePath>, Error> {
    let found = query(client, statements::REFERRERS, &[&hash.to_string(), &limit]).await?;
    Ok(found.iter().filter_map(|row| StorePath::parse(row.get(0)).ok()).collect())
}

pub(super) async fn roots_naming(
    client: &impl GenericClient,
    hash: &HashPart,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let found = query(client, statements::ROOTS_NAMING, &[&hash.to_string(), &limit]).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn rooted(
    client: &impl GenericClient,
    (root, path): (i64, i64),
    limit: i64,
) -> Result<Vec<(i64, i64)>, Error> {
    let found = query(client, statements::SNAPSHOT_ROOTED, &[&root, &path, &limit]).await?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}

pub(super) async fn root_names(
    client: &impl GenericClient,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, String)>, Error> {
    let found = query(client, statements::SNAPSHOT_ROOT_NAMES, &[&after, &limit]).await?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}

pub(super) async fn deletions(
    client: &impl GenericClient,
    hash: &HashPart,
) -> Result<Vec<Deletion>, Error> {
    let found = query(client, statements::DELETIONS, &[&hash.to_string()]).await?;
    let deletion = |row: &Row| Deletion {
        who: Pusher { name: row.get(0), address: row.get(1) },
        at: time(row.get(2)),
    };
    Ok(found.iter().map(deletion).collect())
}

pub(super) async fn path_names(
    client: &impl GenericClient,
    ids: &[i64],
) -> Result<Vec<(i64, StorePath)>, Error> {
    let found = query(client, statements::PATH_NAMES, &[&ids]).await?;
    let path = |row: &Row| Some((row.get(0), StorePath::parse(row.get(1)).ok()?));
    Ok(found.iter().filter_map(path).collect())
}

pub(super) async fn stale_publications(
    client: &impl GenericClient,
    before: i64,
    limit: i64,
) -> Result<Vec<HashPart>, Error> {
    let found = query(client, statements::STALE_PUBLICATIONS, &[&before, &limit]).await?;
    Ok(found.iter().filter_map(|row| HashPart::parse(row.get(0)).ok()).collect())
}

pub(super) async fn paths(
    client: &impl GenericClient,
    after: i64,
    limit: i64,
) -> Result<Vec<IndexedPathRow>, Error> {
    let found = query(client, statements::SNAPSHOT_PATHS, &[&after, &limit]).await?;
    let path = |row: &Row| IndexedPathRow {
        id: row.get(0),
        state: row.get(1),
        nar: row.get(2),
        published: row.get(3),
        touched: row.get(4),
        used: row.get(5),
    };
    Ok(found.iter().map(path).collect())
}

pub(super) async fn nars(
    client: &impl GenericClient,
    after: i64,
    limit: i64,
) -> Result<Vec<NarRow>, Error> {
    let found = query(client, statements::SNAPSHOT_NARS, &[&after, &limit]).await?;
    let nar = |row: &Row| NarRow {
        id: row.get(0),
        is_live: row.get::<_, i64>(1) == 0,
        touched: row.get(2),
        file_size: row.get::<_, i64>(3).unsigned_abs(),
    };
    Ok(found.iter().map(nar).collect())
}

pub(super) async fn edges(
    client: &impl GenericClient,
    (referrer, reference): (i64, i64),
    limit: i64,
) -> Result<Vec<(i64, i64)>, Error> {
    let parameters: [&(dyn ToSql + Sync); 3] = [&referrer, &reference, &limit];
    let found = query(client, statements::SNAPSHOT_EDGES, &parameters).await?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}
