//! Documents beside paths: logs, realisations, build traces and debug information go once nothing owns them.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, stream};
use rns_formats::{HashPart, StorePath};

use super::{
    document_kind::{DocumentCounts, DocumentKind},
    error::CollectError,
    graph::StorageGraph,
    sweep::Sweep,
    verdict::{Plan, Verdict},
};
use crate::{
    index::{IndexError, StoredDocument},
    objects::ObjectKey,
    read::StorageReader,
    retention::Retention,
    write::{STAGING_GRACE, Storage, owner_of},
};

/// Rows that are looked at by one statement: some milliseconds.
const DOCUMENTS_PAGE: usize = 1_000;

/// Documents that are claimed by one transaction.
const CLAIMED_DOCUMENTS_BATCH: usize = 200;

/// Objects that are read at the same time.
const MAX_DOCUMENT_READS: usize = 8;

/// Paths whose derivations are read from their narinfos in one collection: indexes from before these were noted have some.
const MAX_DERIVERS: usize = 10_000;

/// Documents that a plan names. More are counted.
const MAX_NAMED_DOCUMENTS: usize = 100_000;

/// The documents that go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentPlan {
    /// The keys of the first of them.
    pub named: Vec<ObjectKey>,
    /// How many go.
    pub going: DocumentCounts,
    /// How many stay.
    pub kept: DocumentCounts,
}

/// The time up to which a document must have been pushed or found.
pub(super) fn untouched_since(retention: &Retention) -> SystemTime {
    let grace: Duration = retention.min_age.max(STAGING_GRACE);
    SystemTime::now().checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Finds the documents that go with the paths of a plan, or that have no path. Those that the index does not know are not counted.
pub(super) async fn plan(
    storage: &Storage,
    retention: &Retention,
    graph: &StorageGraph,
    paths: &Plan,
) -> Result<DocumentPlan, IndexError> {
    let index = storage.index();
    let mut plan = DocumentPlan::default();
    let before = untouched_since(retention).duration_since(SystemTime::UNIX_EPOCH);
    let before = before.map_or(0, |before| i64::try_from(before.as_secs()).unwrap_or(i64::MAX));
    let knows_derivers = index.paths_without_deriver(1).await?.is_empty();
    let goes = |path: i64| {
        let verdict = graph.number(path).and_then(|path| paths.verdicts.get(path));
        matches!(verdict, Some(Verdict::Goes(_)))
    };
    let mut after = 0;
    loop {
        let page = index.list_documents(after, DOCUMENTS_PAGE).await?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(plan) };
        after = last.id;
        let owners = index.document_owners(first.id, last.id).await?;
        let stays = owners.iter().filter(|(_, path)| path.is_none_or(|path| !goes(path)));
        let kept: HashSet<i64> = stays.map(|(document, _)| *document).collect();
        for row in page {
            let Some(kind) = DocumentKind::of(&row.key) else { continue };
            let may_go = !retention.keeps_everything()
                && row.touched <= before
                && (kind != DocumentKind::Log || knows_derivers);
            if !may_go || kept.contains(&row.id) {
                plan.kept.add(kind);
                continue;
            }
            plan.going.add(kind);
            if plan.named.len() < MAX_NAMED_DOCUMENTS {
                plan.named.push(row.key);
            }
        }
    }
}

/// Removes the documents that nothing owns any more.
pub(super) async fn remove(
    storage: &Storage,
    retention: &Retention,
    sweep: &mut Sweep<'_>,
) -> Result<(), CollectError> {
    let index = storage.index();
    let before = untouched_since(retention);
    let seconds = before.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut after = 0;
    loop {
        let page = index.documents(after, DOCUMENTS_PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        let old = page.iter().filter(|row| !row.is_needed && row.touched.unsigned_abs() <= seconds);
        let going: Vec<i64> = old.map(|row| row.id).collect();
        for batch in going.chunks(CLAIMED_DOCUMENTS_BATCH) {
            sweep.documents(batch, before).await?;
        }
    }
}

/// Notes the derivations of paths that were indexed before those were noted.
pub(super) async fn note_derivers(storage: &Storage) -> Result<(), IndexError> {
    let reader = storage.reader();
    let mut done = 0;
    while done < MAX_DERIVERS {
        let unknown = storage.index().paths_without_deriver(CLAIMED_DOCUMENTS_BATCH).await?;
        let read = stream::iter(&unknown)
            .map(|hash| deriver(reader, hash))
            .buffer_unordered(MAX_DOCUMENT_READS)
            .filter_map(|found| async move { found });
        let found: Vec<_> = read.collect().await;
        if found.is_empty() {
            break;
        }
        storage.index().note_derivers(&found).await?;
        done += found.len();
    }
    Ok(())
}

/// `None`: its narinfo cannot be read now.
async fn deriver(reader: &StorageReader, hash: &HashPart) -> Option<(HashPart, Option<StorePath>)> {
    let stored = reader.narinfo(*hash).await.ok()??;
    Some((*hash, stored.narinfo.deriver.clone()))
}

/// Enters documents of the storage that the index does not know, each with its owner.
pub(crate) async fn enter(
    storage: &Storage,
    found: Vec<(ObjectKey, SystemTime)>,
) -> Result<(), IndexError> {
    let keys: Vec<ObjectKey> = found.iter().map(|(key, _)| key.clone()).collect();
    let known = storage.index().known_documents(&keys).await?;
    let modified: HashMap<ObjectKey, SystemTime> = found.into_iter().collect();
    let unknown = keys.into_iter().zip(known).filter(|(_, known)| !known).map(|(key, _)| key);
    let read = stream::iter(unknown)
        .map(|key| async {
            Some(StoredDocument { owner: owner_of(storage.reader(), &key).await?, key })
        })
        .buffer_unordered(MAX_DOCUMENT_READS)
        .filter_map(|document| async { document });
    let documents: Vec<StoredDocument> = read.collect().await;
    let entered = documents.into_iter().filter_map(|document| {
        let at = *modified.get(&document.key)?;
        Some((document, at))
    });
    let entered: Vec<_> = entered.collect();
    if entered.is_empty() {
        return Ok(());
    }
    storage.index().enter_documents(&entered).await
}
