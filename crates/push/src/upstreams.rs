//! Paths that every client can have from elsewhere, so that they need not be pushed.

use std::collections::HashSet;

use futures_util::{StreamExt as _, future::join_all, stream};
use rns_client::CacheClient;
use rns_formats::{HashPart, StoreDir};

/// Questions that are waited for at the same time; the client bounds how many are sent.
const MAX_UPSTREAM_QUESTIONS: usize = 64;

/// Those of the upstreams that can be asked, and are caches of this store directory. A server that answers everything, such as
/// the page of a network that wants a login, would pass for one that has all paths.
pub(crate) async fn usable<'a>(
    upstreams: &'a [CacheClient],
    store_dir: &StoreDir,
) -> Vec<&'a CacheClient> {
    let asked = upstreams.iter().map(async |cache| {
        let why = match cache.info().await {
            Ok(Some(info)) if info.store_dir == *store_dir => return Some(cache),
            Ok(Some(info)) => format!("it is a cache of {}", info.store_dir.as_str()),
            Ok(None) => "it has no nix-cache-info".to_owned(),
            Err(error) => error.failure.to_string(),
        };
        tracing::warn!("the upstream {} is left out, its paths are pushed: {why}", cache.url());
        None
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Those of the paths that one of the caches has. A cache that cannot be asked has none.
pub(crate) async fn present_at(caches: &[&CacheClient], hashes: &[HashPart]) -> HashSet<HashPart> {
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
