//! Setting roots, and letting go of them.
//!
//! The object of a root is written before its rows, and goes before them: a crash in between leaves an object that a rebuild
//! of the index takes up, or rows that keep paths a little longer that were about to go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rns_cache::{
    CacheError, DryRun, MissingPath, NewRoot, PublishError, Pusher, RootError, RootRevision,
    RootSizes, RootSummary, RootedCache, SetRoot, WhyKept, async_trait,
};
use rns_formats::{HashPart, RootName, StorePath};

use super::{
    elsewhere::Presence,
    root_objects::{StoredRoot, end, read_root, write_root},
    storage::{Storage, index_unavailable, not_stored},
};
use crate::{
    collect::{RootSizeLimits, root_sizes},
    index::{AbsentPath, IndexError, NewRevision},
    objects::ObjectError,
};

/// Paths of a closure that are looked for, because the index does not have them.
pub(crate) const MAX_NEEDED: usize = 20_000;

/// Paths that are looked for at the same time.
const MAX_ROOT_QUESTIONS: usize = 16;

/// Roots that are expired at a time.
const EXPIRED_BATCH: usize = 100;

#[async_trait]
impl RootedCache for Storage {
    async fn put_root(&self, root: &NewRoot, pusher: &Pusher) -> Result<SetRoot, RootError> {
        if root.paths.is_empty() {
            return Err(RootError::Empty);
        }
        let _lock = self.lock_root(&root.name).await.map_err(index_unavailable)?;
        let closure = resolve(self, root).await?;
        let known = known(self, &root.name).await?;
        let lifetime = self.retention.lifetime(&root.name, root.lifetime);
        let (set, kept) = root.next_revision(closure.paths, lifetime, &known, pusher);
        let revision = &set.revision;
        let mut written = vec![revision.clone()];
        written.extend(kept.iter().cloned());
        write_root(self.objects(), &root.name, &written).await.map_err(not_written)?;
        let keep: Vec<u64> = kept.iter().map(|kept| kept.revision).collect();
        let elsewhere = &closure.elsewhere;
        let new = NewRevision { name: &root.name, revision, elsewhere, keep: &keep };
        let absent = self.index.register_root(&new, MAX_NEEDED).await.map_err(index_unavailable)?;
        if !absent.is_empty() {
            // Something went while it was looked at.
            write_root(self.objects(), &root.name, &known).await.map_err(not_written)?;
            return Err(RootError::missing(absent.into_iter().map(missing_path).collect()));
        }
        Ok(set)
    }

    async fn roots(
        &self,
        after: Option<&RootName>,
        limit: usize,
    ) -> Result<Vec<RootSummary>, CacheError> {
        self.index.roots(after, limit, RootSummary::MAX_PATHS).await.map_err(index_unavailable)
    }

    async fn root(&self, name: &RootName) -> Result<Vec<RootRevision>, CacheError> {
        self.index.root(name).await.map_err(index_unavailable)
    }

    async fn delete_root(&self, name: &RootName) -> Result<bool, RootError> {
        let _lock = self.lock_root(name).await.map_err(index_unavailable)?;
        let was_stored = read_root(self.objects(), name).await.map_err(not_written)?.is_some();
        write_root(self.objects(), name, &[]).await.map_err(not_written)?;
        let was_indexed =
            self.index.retain_revisions(name, &[]).await.map_err(index_unavailable)?;
        Ok(was_stored || was_indexed)
    }

    async fn root_sizes(&self) -> Result<Option<Arc<RootSizes>>, CacheError> {
        let index = Arc::clone(&self.index);
        let found = self.root_sizes.get(async move {
            let sizes = root_sizes(&*index, RootSizeLimits::default()).await?.map(Arc::new);
            if sizes.is_none() {
                tracing::warn!(
                    "the index is too large to tell the sizes of roots: `storage gc --dry-run` lists the paths that would go"
                );
            }
            Ok::<_, IndexError>(sizes)
        });
        found.await.map_err(|_| CacheError::ShuttingDown)?.map_err(index_unavailable)
    }

    fn collects(&self) -> bool {
        true
    }

    async fn dry_run(&self, after: usize, limit: usize) -> Result<Option<DryRun>, CacheError> {
        self.dry_run_from(after, limit).await
    }

    async fn why(&self, hash: &HashPart) -> Result<Option<WhyKept>, CacheError> {
        self.why_kept(hash).await
    }
}

impl Storage {
    /// Removes the revisions of roots that have expired. Returns the number of roots that had any.
    ///
    /// # Errors
    /// When storage or index cannot be used.
    pub async fn expire_roots(&self) -> Result<u64, RootError> {
        let mut done = BTreeSet::new();
        loop {
            let names = self.index.expired_roots(EXPIRED_BATCH).await.map_err(index_unavailable)?;
            let mut new = names.into_iter().filter(|name| !done.contains(name)).peekable();
            if new.peek().is_none() {
                return Ok(done.len() as u64);
            }
            for name in new.collect::<Vec<_>>() {
                self.expire_root(&name).await?;
                done.insert(name);
            }
        }
    }

    async fn expire_root(&self, name: &RootName) -> Result<(), RootError> {
        let _lock = self.lock_root(name).await.map_err(index_unavailable)?;
        let kept = known(self, name).await?;
        write_root(self.objects(), name, &kept).await.map_err(not_written)?;
        // A root that was set again, and whose row was not written, lives on as its object says.
        let indexed = self.index.root(name).await.map_err(index_unavailable)?;
        let ends: BTreeSet<_> = indexed.iter().map(end).collect();
        let later: Vec<_> =
            kept.iter().filter(|kept| !ends.contains(&end(kept))).cloned().collect();
        self.index.import_root(name, &later).await.map_err(index_unavailable)?;
        let kept: Vec<u64> = kept.iter().map(|kept| kept.revision).collect();
        self.index.retain_revisions(name, &kept).await.map_err(index_unavailable)?;
        Ok(())
    }
}

/// The revisions of a root that are kept, the newest first: as the storage has them, which is the truth, and those that only the
/// index has.
async fn known(storage: &Storage, name: &RootName) -> Result<Vec<RootRevision>, RootError> {
    let stored = match read_root(storage.objects(), name).await.map_err(not_written)? {
        Some(StoredRoot::Revisions(revisions)) => revisions,
        Some(StoredRoot::Unusable(why)) => {
            tracing::warn!("the root {name} is not usable and is replaced: {why}");
            Vec::new()
        }
        None => Vec::new(),
    };
    let indexed = storage.index.root(name).await.map_err(index_unavailable)?;
    let mut all: BTreeMap<u64, RootRevision> = BTreeMap::new();
    for revision in stored.into_iter().chain(indexed) {
        all.entry(revision.revision).or_insert(revision);
    }
    let now = SystemTime::now();
    Ok(all.into_values().rev().filter(|revision| !revision.has_expired(now)).collect())
}

/// The closure of a root.
struct Closure {
    /// The paths that it names, with their names.
    paths: Vec<StorePath>,
    /// The part of it that is always available elsewhere.
    elsewhere: BTreeSet<HashPart>,
}

/// Looks for the closure of a root: in the index, and for absent paths in the storage and in the upstreams.
async fn resolve(storage: &Storage, root: &NewRoot) -> Result<Closure, RootError> {
    let hashes = root.hashes();
    let mut asked = BTreeSet::new();
    let mut elsewhere = BTreeMap::new();
    loop {
        let absent = storage.index.absent_of_closure(&hashes, MAX_NEEDED).await;
        let mut absent = absent.map_err(index_unavailable)?;
        absent.retain(|path| !elsewhere.contains_key(&path.hash));
        if absent.is_empty() {
            break;
        }
        // One that was entered and is absent again is about to go.
        let (again, new): (Vec<_>, _) =
            absent.into_iter().partition(|path| !asked.insert(path.hash));
        let found = stream::iter(new)
            .map(|path| async move { Ok::<_, RootError>((look_for(storage, &path).await?, path)) });
        let found: Vec<_> = found.buffer_unordered(MAX_ROOT_QUESTIONS).try_collect().await?;
        let mut nowhere: Vec<_> = again.into_iter().map(missing_path).collect();
        for (place, path) in found {
            match place {
                PathLocation::Here => {}
                PathLocation::Elsewhere(named) => {
                    elsewhere.insert(path.hash, named);
                }
                PathLocation::Nowhere => nowhere.push(missing_path(path)),
            }
        }
        if !nowhere.is_empty() {
            return Err(RootError::missing(nowhere));
        }
    }
    let known = storage.index.known_paths(&hashes).await.map_err(index_unavailable)?;
    let mut names: BTreeMap<HashPart, StorePath> =
        known.into_iter().map(|path| (path.hash_part(), path)).collect();
    for hash in &hashes {
        if let Some(path) = elsewhere.get(hash) {
            names.insert(*hash, path.clone());
        }
    }
    root.check_names(&names)?;
    Ok(Closure { paths: names.into_values().collect(), elsewhere: elsewhere.into_keys().collect() })
}

/// Where a path is that the index does not have.
enum PathLocation {
    /// In this storage, and in the index by now.
    Here,
    /// In an upstream, with this name.
    Elsewhere(StorePath),
    Nowhere,
}

async fn look_for(storage: &Storage, path: &AbsentPath) -> Result<PathLocation, CacheError> {
    if storage.enter_stored(&path.hash).await? {
        return Ok(PathLocation::Here);
    }
    match storage.presence_elsewhere(&path.hash).await {
        Presence::Here(record) => Ok(PathLocation::Elsewhere(record.info.path.clone())),
        Presence::Missing => Ok(PathLocation::Nowhere),
        Presence::Unknown => Err(CacheError::Unavailable {
            what: "an upstream in upload.assume_upstream cannot be asked".to_owned(),
            remedy: "roots are refused until it answers",
        }),
    }
}

fn missing_path(absent: AbsentPath) -> MissingPath {
    MissingPath { hash: absent.hash, path: absent.path }
}

/// A failure of the storage while a root is changed.
fn not_written(error: ObjectError) -> RootError {
    match not_stored(error) {
        PublishError::Full => RootError::Full,
        PublishError::Cache(error) => error.into(),
        other => {
            CacheError::Unavailable { what: other.to_string(), remedy: "the client tries again" }
                .into()
        }
    }
}
