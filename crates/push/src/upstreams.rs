//! Paths that every client can have from elsewhere, so that they need not be pushed.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use rns_client::CacheClient;
use rns_formats::HashPart;

/// Questions that are waited for at the same time; the client bounds how many are sent.
const MAX_UPSTREAM_QUESTIONS: usize = 64;

/// Those of the paths that one of the caches has. A cache that cannot be asked has none.
pub async fn present_at(caches: &[CacheClient], hashes: &[HashPart]) -> HashSet<HashPart> {
    let mut present = HashSet::new();
    for cache in caches {
        let open = hashes.iter().filter(|hash| !present.contains(*hash)).copied();
        let mut answers = stream::iter(open.collect::<Vec<_>>())
            .map(async |hash| (hash, cache.has_path(&hash).await))
            .buffer_unordered(MAX_UPSTREAM_QUESTIONS);
        let mut found = Vec::new();
        while let Some((hash, answer)) = answers.next().await {
            match answer {
                Ok(true) => found.push(hash),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!("an upstream cannot be asked, its paths are pushed: {error}");
                    break;
                }
            }
        }
        drop(answers);
        present.extend(found);
    }
    present
}
