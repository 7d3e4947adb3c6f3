//! Paths with everything that they refer to.

use std::{collections::HashSet, sync::Arc};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use rns_formats::{HashPart, PathInfo, StorePath};
use rns_nix_store::LocalStore;

use crate::error::PushError;

/// Questions to the database that wait for their turn; the store bounds how many it takes at the same time.
const MAX_DATABASE_QUESTIONS: usize = 64;

/// These paths, and without `roots_only` all that they lead to, in no particular order.
///
/// # Errors
/// `NotValid` when one of them is not there; `Store` when the database cannot be read.
pub async fn closure(
    store: &LocalStore,
    roots: &[StorePath],
    roots_only: bool,
) -> Result<Vec<Arc<PathInfo>>, PushError> {
    let mut seen: HashSet<HashPart> = HashSet::new();
    let mut open: Vec<StorePath> = roots.to_vec();
    let mut questions = FuturesUnordered::new();
    let mut found = Vec::new();
    loop {
        while questions.len() < MAX_DATABASE_QUESTIONS
            && let Some(path) = open.pop()
        {
            if seen.insert(path.hash_part()) {
                questions.push(valid(store, path));
            }
        }
        let Some(info) = questions.next().await.transpose()? else { return Ok(found) };
        if !roots_only {
            open.extend(info.references.iter().filter(|path| **path != info.path).cloned());
        }
        found.push(info);
    }
}

async fn valid(store: &LocalStore, path: StorePath) -> Result<Arc<PathInfo>, PushError> {
    let info = store.path_info(path.hash_part()).await?.filter(|info| info.path == path);
    info.ok_or(PushError::NotValid(path))
}
