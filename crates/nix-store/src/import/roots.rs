//! Roots that clients set: their paths are held before they are looked for, and linked before that is answered.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use rns_cache::{
    CacheError, MissingPath, NewRoot, Pusher, RootError, RootPath, RootRevision, RootRule,
    RootSizes, RootSummary, RootedCache, SetRoot, async_trait,
};
use rns_formats::{HashPart, RootName, StorePath};
use tokio::task::spawn_blocking;

use super::target::StoreTarget;
use crate::questions::root_sizes;

/// Paths that all roots of a cache together may need for their sizes to be told.
const MAX_SIZED_PATHS: usize = 500_000;

#[async_trait]
impl RootedCache for StoreTarget {
    /// A valid path has its whole closure, and a link keeps both.
    async fn put_root(&self, root: &NewRoot, pusher: &Pusher) -> Result<SetRoot, RootError> {
        if root.paths.is_empty() {
            return Err(RootError::Empty);
        }
        let paths = self.named_paths(root).await?;
        let held = self.imports.hold_all(&paths).await?;
        let gone: Vec<_> = paths
            .iter()
            .filter(|path| !held.valid.contains(&path.hash_part()))
            .map(|path| MissingPath { hash: path.hash_part(), path: Some(path.clone()) })
            .collect();
        if !gone.is_empty() {
            return Err(RootError::missing(gone));
        }
        let lifetime = RootRule::lifetime(&self.root_rules, &root.name, root.lifetime);
        let (root, pusher) = (root.clone(), pusher.clone());
        let set = self.kept.change(move |roots| {
            let revise = |known: &[_]| root.next_revision(paths, lifetime, known, &pusher);
            match roots.named.set(&root.name, revise) {
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    Ok(Err(RootError::Full))
                }
                set => set.map(Ok),
            }
        });
        // The links keep the paths from here on.
        let set = set.await;
        drop(held);
        set?
    }

    async fn roots(
        &self,
        after: Option<&RootName>,
        limit: usize,
    ) -> Result<Vec<RootSummary>, CacheError> {
        let after = after.cloned();
        self.kept
            .change(move |roots| {
                let mut summaries = Vec::new();
                for name in roots.named.names(after.as_ref())? {
                    if summaries.len() == limit {
                        break;
                    }
                    let revisions = roots.named.get(&name)?;
                    summaries.extend(RootSummary::of(name, revisions));
                }
                Ok(summaries)
            })
            .await
    }

    async fn root(&self, name: &RootName) -> Result<Vec<RootRevision>, CacheError> {
        let name = name.clone();
        self.kept.change(move |roots| roots.named.get(&name)).await
    }

    async fn delete_root(&self, name: &RootName) -> Result<bool, RootError> {
        let name = name.clone();
        Ok(self.kept.change(move |roots| roots.named.delete(&name)).await?)
    }

    /// The bytes are those of NARs as they are in the store.
    async fn root_sizes(&self) -> Result<Option<Arc<RootSizes>>, CacheError> {
        let as_of = SystemTime::now();
        let named = self.kept.change(|roots| {
            let mut named = Vec::new();
            for name in roots.named.names(None)? {
                let revisions = roots.named.get(&name)?;
                let paths = revisions.into_iter().flat_map(|revision| revision.paths);
                named.push((name, paths.collect::<Vec<_>>()));
            }
            Ok(named)
        });
        let named = named.await?;
        let tops = named.iter().flat_map(|(_, paths)| paths).cloned().collect();
        let finder = &self.imports.store.questions().closures;
        let Some(closures) = finder.of(tops, MAX_SIZED_PATHS).await? else { return Ok(None) };
        let sizes = spawn_blocking(move || root_sizes(&closures, named)).await;
        let sizes = sizes.map_err(|_| CacheError::ShuttingDown)?;
        Ok(sizes.map(|sizes| Arc::new(RootSizes { as_of, sizes })))
    }
}

impl StoreTarget {
    /// The paths that a root names. Paths that its client may not see count as missing.
    async fn named_paths(&self, root: &NewRoot) -> Result<Vec<StorePath>, RootError> {
        let mut found: BTreeMap<HashPart, StorePath> = BTreeMap::new();
        let mut missing = Vec::new();
        for hash in root.hashes() {
            let record = self.all.path_info(hash).await?;
            match record.map(|record| record.info.path.clone()) {
                Some(path) if self.shows(&path).await? => {
                    found.insert(hash, path);
                }
                _ => missing.push(MissingPath { hash, path: name_of(root, &hash) }),
            }
        }
        if !missing.is_empty() {
            return Err(RootError::missing(missing));
        }
        root.check_names(&found)?;
        Ok(found.into_values().collect())
    }
}

/// The name that the client gave to a path, where it gave one.
fn name_of(root: &NewRoot, hash: &HashPart) -> Option<StorePath> {
    root.paths.iter().find_map(|given| match given {
        RootPath::Path(path) if path.hash_part() == *hash => Some(path.clone()),
        RootPath::Path(_) | RootPath::Hash(_) => None,
    })
}
