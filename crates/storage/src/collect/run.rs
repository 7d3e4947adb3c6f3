//! One collection, from the look at the index to the last object.

use std::time::{Duration, Instant, SystemTime};

use tokio::task::spawn_blocking;

use super::{
    batches::batches,
    disk::missing_on_disk,
    documents::{self, DocumentPlan},
    error::CollectError,
    graph::StorageGraph,
    load::load,
    orphans,
    plan::plan,
    sweep::{Sweep, Swept},
    verdict::Plan,
};
use crate::{
    index::{Claim, Index, RowKind, Unused},
    maintenance::{rebuild_index_locked, take_up_revisions, unknown_root},
    retention::Retention,
    write::Storage,
};

/// A publication that was begun and not touched for so long was cut off, for any `min_age`.
const MIN_PUBLICATION_AGE: Duration = Duration::from_secs(3600);

/// Clocks of which one is set by the other differ by less.
const MIN_CLOCK_DIFFERENCE: Duration = Duration::from_secs(2);

/// Publications that are settled in one collection.
const MAX_SETTLED: usize = 10_000;

/// Rows that are revived by one transaction.
const REVIVED_BATCH: usize = 200;

/// NARs without a path that are removed by one transaction.
const UNUSED_NARS_BATCH: usize = 200;

/// The plan as of now.
#[derive(Debug)]
pub struct Preview {
    /// The paths.
    pub graph: StorageGraph,
    /// Their fates.
    pub plan: Plan,
    /// The documents beside them that the index knows.
    pub documents: DocumentPlan,
    /// How long it took to find out.
    pub took: Duration,
}

/// A collection that came to its end.
#[derive(Debug)]
pub struct Collected {
    /// The plan.
    pub preview: Preview,
    /// The amount that went.
    pub swept: Swept,
    /// How long all of it took.
    pub took: Duration,
}

/// Makes a plan as of now, and changes nothing.
///
/// # Errors
/// When the index cannot be used.
pub async fn preview(storage: &Storage, retention: &Retention) -> Result<Preview, CollectError> {
    let (begun, now) = (Instant::now(), SystemTime::now());
    let missing = missing_on_disk(storage, retention).await?;
    let (graph, plan) = planned(&**storage.index(), retention, missing, now).await?;
    let documents = documents::plan(storage, retention, &graph, &plan).await?;
    Ok(Preview { graph, plan, documents, took: begun.elapsed() })
}

/// Reads the index, and decides which paths stay.
pub(super) async fn planned(
    index: &dyn Index,
    retention: &Retention,
    missing: u64,
    now: SystemTime,
) -> Result<(StorageGraph, Plan), CollectError> {
    let graph = load(index).await?;
    let policy = retention.clone();
    let planned = spawn_blocking(move || {
        let plan = plan(&graph, &policy, missing, now);
        (graph, plan)
    });
    planned.await.map_err(|_| CollectError::ShuttingDown)
}

/// Removes the paths that the policy lets go. Can be cut off at any point, and goes on with the next call.
///
/// # Errors
/// `Busy` when another process collects; otherwise when index or storage cannot be used.
pub async fn collect(
    storage: &Storage,
    retention: &Retention,
    progress: &(dyn Fn(Swept) + Send + Sync),
) -> Result<Collected, CollectError> {
    let (begun, started) = (Instant::now(), SystemTime::now());
    let Some(_lock) = storage.index().lock_collection().await? else {
        return Err(CollectError::Busy);
    };
    if !retention.keeps_everything() {
        check_clock(storage, retention).await?;
        recover(storage).await?;
    }
    // They keep nothing any more, whether they are on record or not.
    if let Err(error) = storage.expire_roots().await {
        tracing::warn!("roots that have expired stay on record: {error}");
    }
    settle(storage, retention).await?;
    documents::note_derivers(storage).await?;
    // Narinfos that the index does not know may refer to paths that would go.
    let orphans = match retention.keeps_everything() {
        true => None,
        false => {
            let is_urgent = is_room_needed(storage, retention).await?;
            Some(orphans::find(storage, retention, is_urgent).await?)
        }
    };
    let preview = preview(storage, retention).await?;
    let Preview { graph, plan, .. } = &preview;
    let revived: Vec<i64> = plan.revived.iter().filter_map(|path| graph.id(*path)).collect();
    for batch in revived.chunks(REVIVED_BATCH) {
        storage.index().revive(batch).await?;
    }
    let mut sweep = Sweep::new(storage, plan.unused);
    for batch in batches(graph, &plan.going) {
        sweep.paths(graph, &batch).await?;
        progress(sweep.swept());
    }
    let nars: Vec<i64> = plan.orphan_nars.iter().filter_map(|nar| graph.nar_id(*nar)).collect();
    for batch in nars.chunks(UNUSED_NARS_BATCH) {
        sweep.nars(batch).await?;
        progress(sweep.swept());
    }
    if let Some(orphans) = orphans {
        if orphans::remove(storage, orphans, &mut sweep).await? {
            documents::remove(storage, retention, &mut sweep).await?;
        }
        progress(sweep.swept());
    }
    let swept = sweep.swept();
    storage.index().note_collection(started, swept.paths, swept.bytes).await?;
    Ok(Collected { preview, swept, took: begun.elapsed() })
}

/// Whether the disk, or `max_size`, has no room, or next to none.
async fn is_room_needed(storage: &Storage, retention: &Retention) -> Result<bool, CollectError> {
    if missing_on_disk(storage, retention).await? > 0 {
        return Ok(true);
    }
    if retention.max_size.is_none() {
        return Ok(false);
    }
    Ok(retention.is_nearly_full(storage.index().stored_since(0).await?.all))
}

/// Checks that the clock of this machine is that of the database, as far as `min_age` needs it: all servers note by their own
/// clocks when they told a pusher of a path.
///
/// # Errors
/// `Clock`, or when the index cannot be asked.
pub async fn check_clock(storage: &Storage, retention: &Retention) -> Result<(), CollectError> {
    let difference = storage.index().clock_difference().await?;
    let min_age = retention.min_age;
    if difference > (min_age / 2).max(MIN_CLOCK_DIFFERENCE) {
        return Err(CollectError::Clock { difference, min_age });
    }
    Ok(())
}

/// Makes the index anew where it was lost, and brings its roots up to date: those that it does not know would keep nothing.
async fn recover(storage: &Storage) -> Result<(), CollectError> {
    if let Some(name) = unknown_root(storage).await? {
        tracing::warn!(
            "the index does not know the root {name}, which is in the storage: before anything is removed the index is made anew \
             from the storage"
        );
        rebuild_index_locked(storage, &|_| ()).await?;
    }
    let taken = take_up_revisions(storage).await?;
    if taken > 0 {
        tracing::warn!(
            "the index was behind the storage: newer revisions of {taken} roots were taken up from there"
        );
    }
    Ok(())
}

/// Settles publications that were cut off: those whose narinfo is visible are published, others are given up.
async fn settle(storage: &Storage, retention: &Retention) -> Result<(), CollectError> {
    let age = retention.min_age.max(MIN_PUBLICATION_AGE);
    let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    let unused = Unused { untouched_since: before, unread_since: before };
    let index = storage.index();
    for hash in index.stale_publications(before, MAX_SETTLED).await? {
        match storage.enter_stored(&hash).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!("{hash} is left as it is: {error}");
                continue;
            }
        }
        let claim = Claim::new();
        if let Some(claimed) = index.claim_stale(&hash, before, &claim).await? {
            Sweep::new(storage, unused).remove(RowKind::Paths, vec![claimed], &claim).await?;
        }
    }
    Ok(())
}
