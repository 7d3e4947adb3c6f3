//! The statements of collection, for PostgreSQL.

use deadpool_postgres::GenericClient;
use rns_cache::Pusher;
use rns_formats::{HashPart, StorePath};
use tokio_postgres::{Error, Row, types::ToSql};

use super::locks::STATE_LOCK;
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

/// Taken by the one server that collects.
pub(super) const COLLECTION_LOCK: i64 = 0x0072_6e73_0003;

/// A hash, where none is known.
const NO_HASH: [u8; 32] = [0; 32];

/// A statement in the spelling of PostgreSQL.
fn sql(statement: &str) -> String {
    statement
        .replace("{these}", "= any(?1)")
        .replace("{now}", "extract(epoch from clock_timestamp())::bigint")
        .replace('?', "$")
}

fn lease() -> i64 {
    i64::try_from(CLAIM_LEASE.as_secs()).unwrap_or(i64::MAX)
}

fn claimed(row: &Row) -> Claimed {
    Claimed { id: row.get(0), name: row.get(1), file_size: row.get::<_, i64>(2).unsigned_abs() }
}

async fn query(
    client: &impl GenericClient,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(&sql(statement)).await?;
    client.query(&statement, parameters).await
}

async fn execute(
    client: &impl GenericClient,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<u64, Error> {
    let statement = client.prepare_cached(&sql(statement)).await?;
    client.execute(&statement, parameters).await
}

/// Keeps collectors from claiming until this transaction ends.
pub(super) async fn share_states(client: &impl GenericClient) -> Result<(), Error> {
    execute(client, "select pg_advisory_xact_lock_shared(?1)", &[&STATE_LOCK]).await.map(|_| ())
}

async fn own_states(client: &impl GenericClient) -> Result<(), Error> {
    execute(client, "select pg_advisory_xact_lock(?1)", &[&STATE_LOCK]).await.map(|_| ())
}

pub(super) async fn condemn(
    client: &impl GenericClient,
    rows: Rows,
    ids: &[i64],
    unused: Unused,
) -> Result<Vec<i64>, Error> {
    own_states(client).await?;
    let (touched, used) = (unused.touched(), unused.used());
    let condemned = match rows {
        Rows::Paths => query(client, statements::CONDEMN_PATHS, &[&ids, &touched, &used]).await,
        Rows::Nars => query(client, statements::CONDEMN_NARS, &[&ids, &touched]).await,
    };
    Ok(condemned?.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn claim(
    client: &impl GenericClient,
    rows: Rows,
    ids: &[i64],
    unused: Unused,
    claim: i64,
) -> Result<Vec<Claimed>, Error> {
    own_states(client).await?;
    let (touched, used) = (unused.touched(), unused.used());
    let found = match rows {
        Rows::Paths => {
            let parameters: [&(dyn ToSql + Sync); 5] = [&ids, &touched, &used, &claim, &lease()];
            query(client, statements::CLAIM_PATHS, &parameters).await
        }
        Rows::Nars => {
            query(client, statements::CLAIM_NARS, &[&ids, &touched, &claim, &lease()]).await
        }
    };
    Ok(found?.iter().map(claimed).collect())
}

/// The question for the state of a path, and the state that it has while it is being removed.
const PATH_STATE: (&str, i64) = ("select state from paths where hash = ?1 and state <> 0", 4);

/// The same for a NAR.
const NAR_STATE: (&str, i64) = ("select state from nars where key = ?1", 2);

/// Returns the claim, or why there is none.
async fn taken(
    client: &impl GenericClient,
    rows: &[Row],
    name: &str,
    (question, deleting): (&str, i64),
) -> Result<Taken, Error> {
    if let Some(row) = rows.first() {
        return Ok(Taken::Claimed(claimed(row)));
    }
    let state = query(client, question, &[&name]).await?;
    Ok(match state.first().map(|row| row.get::<_, i64>(0)) {
        Some(state) if state == deleting => Taken::Busy,
        Some(_) => Taken::Needed,
        None => Taken::Absent,
    })
}

pub(super) async fn claim_path(
    client: &impl GenericClient,
    hash: &HashPart,
    claim: i64,
    order: Order<'_>,
) -> Result<Taken, Error> {
    own_states(client).await?;
    let (hash, even_rooted) = (hash.to_string(), i64::from(order.even_rooted));
    let parameters: [&(dyn ToSql + Sync); 4] = [&hash, &claim, &lease(), &even_rooted];
    let rows = query(client, statements::CLAIM_PATH, &parameters).await?;
    if !rows.is_empty() {
        let who = order.who;
        let parameters: [&(dyn ToSql + Sync); 4] = [&hash, &who.name, &who.address, &now()];
        execute(client, statements::NOTE_DELETION, &parameters).await?;
    }
    taken(client, &rows, &hash, PATH_STATE).await
}

pub(super) async fn claim_ended(
    client: &impl GenericClient,
    hash: &HashPart,
    claim: i64,
) -> Result<Taken, Error> {
    own_states(client).await?;
    let hash = hash.to_string();
    let rows = query(client, statements::CLAIM_ENDED, &[&hash, &claim, &lease()]).await?;
    taken(client, &rows, &hash, PATH_STATE).await
}

pub(super) async fn claim_nar(
    client: &impl GenericClient,
    key: &ObjectKey,
    claim: i64,
) -> Result<Taken, Error> {
    own_states(client).await?;
    let rows = query(client, statements::CLAIM_NAR, &[&key.as_str(), &claim, &lease()]).await?;
    taken(client, &rows, key.as_str(), NAR_STATE).await
}

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
) -> Result<Option<(PathRecord, Referrer)>, Error> {
    let found = query(client, statements::PATH_RECORD, &[&hash.to_string()]).await?;
    let record = |row: &Row| {
        let used: i64 = row.get(2);
        let record = PathRecord {
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

pub(super) async fn claim_stale(
    client: &impl GenericClient,
    hash: &HashPart,
    before: i64,
    claim: i64,
) -> Result<Option<Claimed>, Error> {
    own_states(client).await?;
    let hash = hash.to_string();
    let parameters: [&(dyn ToSql + Sync); 4] = [&hash, &claim, &lease(), &before];
    let taken = query(client, statements::CLAIM_STALE, &parameters).await?;
    Ok(taken.first().map(claimed))
}

pub(super) async fn holds(
    client: &impl GenericClient,
    rows: Rows,
    id: i64,
    claim: i64,
) -> Result<bool, Error> {
    let statement = match rows {
        Rows::Paths => statements::HOLDS_PATH,
        Rows::Nars => statements::HOLDS_NAR,
    };
    Ok(!query(client, statement, &[&id, &claim]).await?.is_empty())
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

pub(super) async fn stored_since(
    client: &impl GenericClient,
    after: i64,
) -> Result<(i64, u64), Error> {
    let rows = query(client, statements::STORED_SINCE, &[&after]).await?;
    Ok(rows.first().map_or((after, 0), |row| (row.get(0), row.get::<_, i64>(1).unsigned_abs())))
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

pub(super) async fn claim_orphan(
    client: &impl GenericClient,
    key: &ObjectKey,
    claim: i64,
) -> Result<Option<Claimed>, Error> {
    own_states(client).await?;
    let none = &NO_HASH[..];
    let parameters: [&(dyn ToSql + Sync); 4] = [&key.as_str(), &claim, &lease(), &none];
    let taken = query(client, statements::CLAIM_ORPHAN, &parameters).await?;
    Ok(taken.first().map(claimed))
}

pub(super) async fn give_back(
    client: &impl GenericClient,
    rows: Rows,
    ids: &[i64],
    claim: i64,
) -> Result<(), Error> {
    let statement = match rows {
        Rows::Paths => statements::GIVE_BACK_PATHS,
        Rows::Nars => statements::GIVE_BACK_NARS,
    };
    execute(client, statement, &[&ids, &claim]).await.map(|_| ())
}

pub(super) async fn end_claims(
    client: &impl GenericClient,
    rows: Rows,
    ids: &[i64],
    claim: i64,
) -> Result<(), Error> {
    own_states(client).await?;
    match rows {
        Rows::Paths => {
            let ended = query(client, statements::END_PATHS, &[&ids, &claim]).await?;
            let ended: Vec<i64> = ended.iter().map(|row| row.get(0)).collect();
            remove_paths(client, &ended).await
        }
        Rows::Nars => execute(client, statements::END_NARS, &[&ids, &claim]).await.map(|_| ()),
    }
}

/// Removes the edges of paths that are not here any more, their rows, and the rows of paths elsewhere that only they referred to.
pub(super) async fn remove_paths(client: &impl GenericClient, ids: &[i64]) -> Result<(), Error> {
    let references = query(client, statements::REMOVE_EDGES, &[&ids]).await?;
    let mut rows: Vec<i64> = references.iter().map(|row| row.get(0)).collect();
    rows.extend(ids);
    execute(client, statements::REMOVE_PATHS, &[&rows]).await.map(|_| ())
}

pub(super) async fn revive(client: &impl GenericClient, ids: &[i64]) -> Result<(), Error> {
    execute(client, statements::REVIVE_PATHS, &[&ids]).await.map(|_| ())
}

pub(super) async fn begin_nar(client: &impl GenericClient, key: &ObjectKey) -> Result<bool, Error> {
    let none = &NO_HASH[..];
    let begun = query(client, statements::BEGIN_NAR, &[&key.as_str(), &now(), &none]).await?;
    Ok(!begun.is_empty())
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
) -> Result<Vec<PathRow>, Error> {
    let found = query(client, statements::SNAPSHOT_PATHS, &[&after, &limit]).await?;
    let path = |row: &Row| PathRow {
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
