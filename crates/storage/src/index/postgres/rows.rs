//! The statements of the index, for PostgreSQL: as few round trips as there can be.

use std::{
    collections::HashMap,
    time::{Duration, UNIX_EPOCH},
};

use deadpool_postgres::GenericClient;
use rns_cache::Pusher;
use rns_formats::{HashPart, Sha256Digest};
use tokio_postgres::{Error, Row};

use super::claims;
use crate::{
    index::{
        ImportedPath, IndexedNar, NarState, NewPath, PathState, PublishRefusal, Push, statements,
        types::{arbitrate, now, seconds, size},
    },
    objects::ObjectKey,
};

/// A statement in the spelling of PostgreSQL.
pub(super) fn sql(statement: &str) -> String {
    statement.replace('?', "$")
}

fn digest(row: &Row, column: usize) -> Sha256Digest {
    let bytes: &[u8] = row.get(column);
    Sha256Digest::from_bytes(bytes.try_into().unwrap_or_default())
}

pub(super) fn texts(hashes: &[HashPart]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

pub(super) async fn nar(
    client: &impl GenericClient,
    key: &ObjectKey,
) -> Result<Option<IndexedNar>, Error> {
    let statement = client.prepare_cached(&sql(statements::VERIFIED_NAR)).await?;
    let found = client.query_opt(&statement, &[&key.as_str()]).await?;
    Ok(found.map(|row| IndexedNar {
        file_hash: digest(&row, 0),
        file_size: row.get::<_, i64>(1).unsigned_abs(),
        nar_hash: digest(&row, 2),
        nar_size: row.get::<_, i64>(3).unsigned_abs(),
    }))
}

pub(super) async fn nar_state(
    client: &impl GenericClient,
    key: &ObjectKey,
) -> Result<Option<NarState>, Error> {
    let statement = client.prepare_cached(&sql(statements::NAR_STATE)).await?;
    let found = client.query_opt(&statement, &[&key.as_str()]).await?;
    Ok(found.map(|row| NarState::of_number(row.get(0))))
}

pub(super) async fn put_nar(
    client: &impl GenericClient,
    key: &ObjectKey,
    nar: &IndexedNar,
    at: i64,
) -> Result<(), Error> {
    let statement = client.prepare_cached(&sql(statements::PUT_NAR)).await?;
    let (file_hash, nar_hash) = (&nar.file_hash.as_bytes()[..], &nar.nar_hash.as_bytes()[..]);
    client
        .execute(
            &statement,
            &[&key.as_str(), &file_hash, &size(nar.file_size), &nar_hash, &size(nar.nar_size), &at],
        )
        .await?;
    Ok(())
}

pub(super) async fn touch_nar(client: &impl GenericClient, key: &ObjectKey) -> Result<bool, Error> {
    let statement = client.prepare_cached(&sql(statements::TOUCH_NAR)).await?;
    Ok(client.execute(&statement, &[&key.as_str(), &now()]).await? > 0)
}

pub(super) async fn touch_path(
    client: &impl GenericClient,
    hash: &HashPart,
) -> Result<bool, Error> {
    let statement = client.prepare_cached(&sql(statements::TOUCH_PATH)).await?;
    Ok(client.execute(&statement, &[&hash.to_string(), &now()]).await? > 0)
}

pub(super) async fn states(
    client: &impl GenericClient,
    hashes: &[HashPart],
) -> Result<Vec<Option<PathState>>, Error> {
    let statement =
        client.prepare_cached("select hash, state from paths where hash = any($1)").await?;
    let texts = texts(hashes);
    let rows = client.query(&statement, &[&texts]).await?;
    let states: HashMap<String, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(texts.iter().map(|hash| states.get(hash).copied().map(PathState::of_number)).collect())
}

/// Locks the rows of these paths, in the order of their hash parts.
async fn lock(client: &impl GenericClient, hashes: &[String]) -> Result<(), Error> {
    let statement = client
        .prepare_cached("select id from paths where hash = any($1) order by hash for no key update")
        .await?;
    client.query(&statement, &[&hashes]).await?;
    Ok(())
}

pub(super) async fn begin_publish(
    client: &impl GenericClient,
    new: &NewPath,
    pusher: Option<&Pusher>,
) -> Result<Option<PublishRefusal>, Error> {
    claims::share_states(client).await?;
    if !touch_nar(client, &new.nar).await? {
        return Ok(Some(PublishRefusal::MissingNar));
    }
    let own = new.path.hash_part().to_string();
    let mut hashes: Vec<_> =
        new.references.iter().map(|path| path.hash_part().to_string()).collect();
    hashes.push(own.clone());
    // Every order locks its rows in one order, so that two never wait for each other.
    lock(client, &hashes).await?;
    let statement = client.prepare_cached(&sql(statements::PUBLICATION)).await?;
    let known = client.query_opt(&statement, &[&own]).await?;
    let known = known.map(|row| (row.get(0), row.get(1), row.get(2)));
    if let Some(refusal) = arbitrate(known, &new.nar, now()) {
        if refusal == PublishRefusal::AlreadyPublished {
            touch_path(client, &new.path.hash_part()).await?;
        }
        return Ok(Some(refusal));
    }
    let statement = client.prepare_cached(&sql(statements::TOUCH_REFERENCE)).await?;
    let mut missing = Vec::new();
    for reference in &new.references {
        let hash = reference.hash_part();
        let touched =
            client.execute(&statement, &[&hash.to_string(), &now(), &reference.as_str()]).await?;
        if touched == 0 && !new.elsewhere.contains(&hash) {
            missing.push(reference.clone());
        }
    }
    if !missing.is_empty() {
        return Ok(Some(PublishRefusal::MissingReferences(missing)));
    }
    enter(client, new, (None, PathState::Publishing), now()).await?;
    note_push(client, &own, pusher, true).await?;
    Ok(None)
}

/// Notes who publishes a path, instead of those that were cut off before.
async fn note_push(
    client: &impl GenericClient,
    hash: &str,
    pusher: Option<&Pusher>,
    is_pending: bool,
) -> Result<(), Error> {
    let Some(pusher) = pusher else { return Ok(()) };
    let statement = client.prepare_cached(&sql(statements::FORGET_PENDING)).await?;
    client.execute(&statement, &[&hash]).await?;
    let statement = client.prepare_cached(&sql(statements::NOTE_PUSH)).await?;
    let pending = i64::from(is_pending);
    client.execute(&statement, &[&hash, &pusher.name, &pusher.address, &now(), &pending]).await?;
    Ok(())
}

/// Enters a path and its references. Those of a path that is published stay beside them: a narinfo that was read a while ago
/// takes none from it.
async fn enter(
    client: &impl GenericClient,
    new: &NewPath,
    (before, state): (Option<PathState>, PathState),
    at: i64,
) -> Result<(), Error> {
    let statement = client.prepare_cached(&sql(statements::ENTER_PATH)).await?;
    let (nar_size, file_size) = (size(new.nar_size), size(new.file_size));
    let hash = new.path.hash_part().to_string();
    let entered = client
        .query_one(
            &statement,
            &[
                &hash,
                &new.path.as_str(),
                &state.number(),
                &new.nar.as_str(),
                &nar_size,
                &file_size,
                &at,
                &new.deriver.as_ref().map_or("", |deriver| deriver.as_str()),
            ],
        )
        .await?;
    let id: i64 = entered.get(0);
    if !before.is_some_and(PathState::is_visible) {
        let statement = client.prepare_cached(&sql(statements::FORGET_EDGES)).await?;
        client.execute(&statement, &[&id]).await?;
    }
    if new.references.is_empty() {
        return Ok(());
    }
    let mut references: Vec<_> = new.references.iter().collect();
    references.sort_unstable();
    let hashes: Vec<_> = references.iter().map(|path| path.hash_part().to_string()).collect();
    let paths: Vec<_> = references.iter().map(|path| path.as_str()).collect();
    let statement = client
        .prepare_cached(
            "insert into paths (hash, path, state) select h, p, 0 from unnest($1::text[], $2::text[]) as t (h, p) \
             on conflict (hash) do nothing",
        )
        .await?;
    client.execute(&statement, &[&hashes, &paths]).await?;
    let statement = client
        .prepare_cached(
            "insert into refs (referrer, reference) select $1, id from paths where hash = any($2) \
             on conflict do nothing",
        )
        .await?;
    client.execute(&statement, &[&id, &hashes]).await?;
    Ok(())
}

pub(super) async fn end_publish(
    client: &impl GenericClient,
    hash: &HashPart,
    pusher: Option<&Pusher>,
) -> Result<(), Error> {
    let hash = hash.to_string();
    let statement = client.prepare_cached(&sql(statements::END_PUBLISH)).await?;
    client.execute(&statement, &[&hash]).await?;
    if pusher.is_none() {
        return Ok(());
    }
    // The begun one is of the same pusher: others have waited for the path.
    let statement = client.prepare_cached(&sql(statements::CONFIRM_PENDING)).await?;
    match client.execute(&statement, &[&hash]).await? {
        0 => note_push(client, &hash, pusher, false).await,
        _ => Ok(()),
    }
}

pub(super) async fn note_reads(
    client: &impl GenericClient,
    hashes: &[HashPart],
) -> Result<(), Error> {
    let statement = client
        .prepare_cached(
            "with read as (select id from paths where hash = any($1) order by hash for no key update) \
             update paths set used = $2 from read where paths.id = read.id and used < $2",
        )
        .await?;
    client.execute(&statement, &[&texts(hashes), &now()]).await?;
    Ok(())
}

pub(super) async fn pushes(
    client: &impl GenericClient,
    hash: &HashPart,
) -> Result<Vec<Push>, Error> {
    let statement = client.prepare_cached(&sql(statements::PUSHES)).await?;
    let rows = client.query(&statement, &[&hash.to_string()]).await?;
    let push = |row: &Row| Push {
        pusher: Pusher { name: row.get(0), address: row.get(1) },
        at: UNIX_EPOCH + Duration::from_secs(row.get::<_, i64>(2).unsigned_abs()),
        is_confirmed: row.get::<_, i64>(3) == 0,
    };
    Ok(rows.iter().map(push).collect())
}

pub(super) async fn import(
    client: &impl GenericClient,
    imported: &[ImportedPath],
) -> Result<Vec<HashPart>, Error> {
    claims::share_states(client).await?;
    let mut left_out = Vec::new();
    let mut hashes: Vec<_> = imported.iter().map(|one| one.path.path.hash_part()).collect();
    let references = imported.iter().flat_map(|one| &one.path.references);
    hashes.extend(references.map(|path| path.hash_part()));
    lock(client, &texts(&hashes)).await?;
    let statement = client.prepare_cached(&sql(statements::IMPORT_NAR)).await?;
    let confirm = client.prepare_cached(&sql(statements::CONFIRM_PENDING)).await?;
    for one in imported {
        let hash = one.path.path.hash_part();
        // A path that is being removed stays so.
        let before = states(client, &[hash]).await?.first().copied().flatten();
        if before == Some(PathState::Deleting) {
            left_out.push(hash);
            continue;
        }
        let nar = &one.nar;
        let (file_hash, nar_hash) = (&nar.file_hash.as_bytes()[..], &nar.nar_hash.as_bytes()[..]);
        let (file_size, nar_size) = (size(nar.file_size), size(nar.nar_size));
        let has_nar = client
            .execute(
                &statement,
                &[
                    &one.path.nar.as_str(),
                    &file_hash,
                    &file_size,
                    &nar_hash,
                    &nar_size,
                    &seconds(one.stored),
                    &now(),
                ],
            )
            .await?;
        if has_nar == 0 {
            left_out.push(hash);
            continue;
        }
        client.execute(&confirm, &[&hash.to_string()]).await?;
        // The grace begins now: nothing is known of its use.
        enter(client, &one.path, (before, PathState::Published), now()).await?;
    }
    Ok(left_out)
}

pub(super) async fn published_after(
    client: &impl GenericClient,
    after: Option<&HashPart>,
    limit: usize,
) -> Result<Vec<(HashPart, ObjectKey)>, Error> {
    let statement = client.prepare_cached(&sql(statements::PUBLISHED_AFTER)).await?;
    let after = after.map(ToString::to_string).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = client.query(&statement, &[&after, &limit]).await?;
    let entry = |row: &Row| {
        let hash = HashPart::parse(row.get(0)).ok()?;
        Some((hash, ObjectKey::listed(row.get(1))))
    };
    Ok(rows.iter().filter_map(entry).collect())
}

pub(super) async fn forget_path(client: &impl GenericClient, hash: &HashPart) -> Result<(), Error> {
    // A row that it removes is no reference of a path that is published just now.
    claims::own_states(client).await?;
    let statement = client.prepare_cached(&sql(statements::UNPUBLISH)).await?;
    let forgotten = client.query(&statement, &[&hash.to_string()]).await?;
    let ids: Vec<i64> = forgotten.iter().map(|row| row.get(0)).collect();
    claims::remove_paths(client, &ids).await
}
