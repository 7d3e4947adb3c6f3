//! Paths with everything that they refer to.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use rns_formats::{HashPart, PathInfo, StorePath};
use rns_nix_store::LocalStore;

use crate::error::PushError;

/// These paths, and without `roots_only` all that they lead to, in no particular order.
///
/// # Errors
/// `NotValid` when one of them is not there; `Store` when the database cannot be read.
pub async fn closure(
    store: &LocalStore,
    roots: &[StorePath],
    roots_only: bool,
) -> Result<Vec<Arc<PathInfo>>, PushError> {
    let mut found: HashMap<HashPart, Arc<PathInfo>> = HashMap::new();
    let mut open: VecDeque<StorePath> = roots.iter().cloned().collect();
    while let Some(path) = open.pop_front() {
        let hash = path.hash_part();
        if found.contains_key(&hash) {
            continue;
        }
        let info = store.path_info(hash).await?.filter(|info| info.path == path);
        let info = info.ok_or_else(|| PushError::NotValid(path))?;
        if !roots_only {
            open.extend(info.references.iter().filter(|path| **path != info.path).cloned());
        }
        found.insert(hash, info);
    }
    Ok(found.into_values().collect())
}
