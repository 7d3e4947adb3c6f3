//! The statements of claims: rows are condemned, claimed, given back and removed.

use deadpool_postgres::GenericClient;
use rns_formats::HashPart;
use tokio_postgres::{Error, Row, types::ToSql};

use super::locks::STATE_LOCK;
use crate::{
    index::{
        ClaimOutcome, Claimed, RemovalOrder, RowKind, Unused, collection_statements as statements,
        collection_types::CLAIM_LEASE, document_statements as documents, types::now,
    },
    objects::ObjectKey,
};

/// A statement in the spelling of PostgreSQL.
pub(super) fn sql(statement: &str) -> String {
    statement
        .replace("{these}", "= any(?1)")
        .replace("{now}", "extract(epoch from clock_timestamp())::bigint")
        .replace("{c}", " collate \"C\"")
        .replace('?', "$")
}

fn lease() -> i64 {
    i64::try_from(CLAIM_LEASE.as_secs()).unwrap_or(i64::MAX)
}

fn claimed(row: &Row) -> Claimed {
    Claimed { id: row.get(0), name: row.get(1), file_size: row.get::<_, i64>(2).unsigned_abs() }
}

pub(super) async fn query(
    client: &impl GenericClient,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(&sql(statement)).await?;
    client.query(&statement, parameters).await
}

pub(super) async fn execute(
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

/// Keeps all others from counting on paths until this transaction ends.
pub(super) async fn own_states(client: &impl GenericClient) -> Result<(), Error> {
    execute(client, "select pg_advisory_xact_lock(?1)", &[&STATE_LOCK]).await.map(|_| ())
}

pub(super) async fn condemn(
    client: &impl GenericClient,
    rows: RowKind,
    ids: &[i64],
    unused: Unused,
) -> Result<Vec<i64>, Error> {
    own_states(client).await?;
    let (touched, used) = (unused.touched(), unused.used());
    let condemned = match rows {
        RowKind::Paths => query(client, statements::CONDEMN_PATHS, &[&ids, &touched, &used]).await,
        RowKind::Nars => query(client, statements::CONDEMN_NARS, &[&ids, &touched]).await,
        RowKind::Documents => return Ok(ids.to_vec()),
    };
    Ok(condemned?.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn claim(
    client: &impl GenericClient,
    rows: RowKind,
    ids: &[i64],
    unused: Unused,
    claim: i64,
) -> Result<Vec<Claimed>, Error> {
    own_states(client).await?;
    let (touched, used) = (unused.touched(), unused.used());
    let found = match rows {
        RowKind::Paths => {
            let parameters: [&(dyn ToSql + Sync); 5] = [&ids, &touched, &used, &claim, &lease()];
            query(client, statements::CLAIM_PATHS, &parameters).await
        }
        RowKind::Nars => {
            query(client, statements::CLAIM_NARS, &[&ids, &touched, &claim, &lease()]).await
        }
        RowKind::Documents => {
            query(client, documents::CLAIM_DOCUMENTS, &[&ids, &touched, &claim, &lease()]).await
        }
    };
    Ok(found?.iter().map(claimed).collect())
}

/// Returns the claim, or why there is none.
async fn taken(
    client: &impl GenericClient,
    rows: &[Row],
    name: &str,
    (question, deleting): (&str, i64),
) -> Result<ClaimOutcome, Error> {
    if let Some(row) = rows.first() {
        return Ok(ClaimOutcome::Claimed(claimed(row)));
    }
    let state = query(client, question, &[&name]).await?;
    Ok(match state.first().map(|row| row.get::<_, i64>(0)) {
        Some(state) if state == deleting => ClaimOutcome::Busy,
        Some(_) => ClaimOutcome::Needed,
        None => ClaimOutcome::Absent,
    })
}

pub(super) async fn claim_path(
    client: &impl GenericClient,
    hash: &HashPart,
    claim: i64,
    order: RemovalOrder<'_>,
) -> Result<ClaimOutcome, Error> {
    own_states(client).await?;
    let (hash, even_rooted) = (hash.to_string(), i64::from(order.even_rooted));
    let parameters: [&(dyn ToSql + Sync); 4] = [&hash, &claim, &lease(), &even_rooted];
    let rows = query(client, statements::CLAIM_PATH, &parameters).await?;
    if !rows.is_empty() {
        let who = order.who;
        let parameters: [&(dyn ToSql + Sync); 4] = [&hash, &who.name, &who.address, &now()];
        execute(client, statements::NOTE_DELETION, &parameters).await?;
    }
    taken(client, &rows, &hash, statements::PATH_REMOVAL).await
}

pub(super) async fn claim_ended(
    client: &impl GenericClient,
    hash: &HashPart,
    claim: i64,
) -> Result<ClaimOutcome, Error> {
    own_states(client).await?;
    let hash = hash.to_string();
    let rows = query(client, statements::CLAIM_ENDED, &[&hash, &claim, &lease()]).await?;
    taken(client, &rows, &hash, statements::PATH_REMOVAL).await
}

pub(super) async fn claim_nar(
    client: &impl GenericClient,
    key: &ObjectKey,
    claim: i64,
) -> Result<ClaimOutcome, Error> {
    own_states(client).await?;
    let rows = query(client, statements::CLAIM_NAR, &[&key.as_str(), &claim, &lease()]).await?;
    taken(client, &rows, key.as_str(), statements::NAR_REMOVAL).await
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
    rows: RowKind,
    id: i64,
    claim: i64,
) -> Result<bool, Error> {
    let statement = match rows {
        RowKind::Paths => statements::HOLDS_PATH,
        RowKind::Nars => statements::HOLDS_NAR,
        RowKind::Documents => documents::HOLDS_DOCUMENT,
    };
    Ok(!query(client, statement, &[&id, &claim]).await?.is_empty())
}

/// As `CLAIM_ORPHAN`, for many NARs in one round trip.
const CLAIM_ORPHANS: &str = "\
    insert into nars (key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified, state, claim, lease) \
    select key, ?4::bytea, 0, ?4::bytea, 0, 0, 0, 0, 2, ?2::bigint, {now} + ?3::bigint from unnest(?1::text[]) as orphans (key) \
    on conflict (key) do nothing returning id, key, file_size";

pub(super) async fn claim_orphans(
    client: &impl GenericClient,
    keys: &[ObjectKey],
    claim: i64,
) -> Result<Vec<Claimed>, Error> {
    own_states(client).await?;
    let keys: Vec<&str> = keys.iter().map(ObjectKey::as_str).collect();
    let none = &statements::NO_HASH[..];
    let parameters: [&(dyn ToSql + Sync); 4] = [&keys, &claim, &lease(), &none];
    let taken = query(client, CLAIM_ORPHANS, &parameters).await?;
    Ok(taken.iter().map(claimed).collect())
}

pub(super) async fn give_back(
    client: &impl GenericClient,
    rows: RowKind,
    ids: &[i64],
    claim: i64,
) -> Result<(), Error> {
    let statement = match rows {
        RowKind::Paths => statements::GIVE_BACK_PATHS,
        RowKind::Nars => statements::GIVE_BACK_NARS,
        RowKind::Documents => documents::GIVE_BACK_DOCUMENTS,
    };
    execute(client, statement, &[&ids, &claim]).await.map(|_| ())
}

pub(super) async fn end_claims(
    client: &impl GenericClient,
    rows: RowKind,
    ids: &[i64],
    claim: i64,
) -> Result<(), Error> {
    own_states(client).await?;
    match rows {
        RowKind::Paths => {
            let ended = query(client, statements::END_PATHS, &[&ids, &claim]).await?;
            let ended: Vec<i64> = ended.iter().map(|row| row.get(0)).collect();
            remove_paths(client, &ended).await
        }
        RowKind::Nars => execute(client, statements::END_NARS, &[&ids, &claim]).await.map(|_| ()),
        RowKind::Documents => {
            execute(client, documents::END_DOCUMENTS, &[&ids, &claim]).await.map(|_| ())
        }
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
    let none = &statements::NO_HASH[..];
    let begun = query(client, statements::BEGIN_NAR, &[&key.as_str(), &now(), &none]).await?;
    Ok(!begun.is_empty())
}
