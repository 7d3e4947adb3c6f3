//! `/api/sample-path`: a path of the cache, for a client that wants to try it and knows none of its paths.
//!
//! Readers alone may ask, and every candidate is asked for as a client would ask, so that no client is told of a path that it
//! could not read.

use std::sync::Arc;

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_cache::CacheError;
use rns_formats::{PathInfo, StorePath};
use serde_json::json;

use crate::{
    caches::cache::Cache,
    response::{Answer, Caching, Entity, error_response},
};

/// Paths of which the best one is taken.
const MAX_SAMPLE_CHOICE: usize = 8;

pub(crate) async fn get(request: &HttpRequest, cache: &Cache) -> Answer {
    let path = match choose(cache).await {
        Ok(path) => path.map(|path| cache.store.store_dir().print(&path)),
        Err(error) => return error_response(&error),
    };
    let answer = json!({ "path": path });
    Entity::new("application/json", Caching::Never)
        .answer_bytes(request.headers(), Bytes::from(format!("{answer}\n")))
}

/// The smallest of some paths; one that is signed, and needs to be, is preferred: there is more to try.
async fn choose(cache: &Cache) -> Result<Option<StorePath>, CacheError> {
    let mut choice: Vec<Arc<PathInfo>> = Vec::new();
    for hash in cache.store.sample().await? {
        match cache.store.path_info(hash).await {
            Ok(Some(record)) => choice.push(record.info),
            // It is gone, or wrong, and others are not.
            Ok(None)
            | Err(
                CacheError::Invalid { .. } | CacheError::Damaged { .. } | CacheError::Gone { .. },
            ) => {}
            Err(error) => return Err(error),
        }
        if choice.len() >= MAX_SAMPLE_CHOICE {
            break;
        }
    }
    let signer = cache.signer();
    let store_dir = cache.store.store_dir();
    let rank = |info: &Arc<PathInfo>| {
        (signer.signatures(info, store_dir).is_empty(), info.ca.is_some(), info.nar_size)
    };
    Ok(choice.into_iter().min_by_key(rank).map(|info| info.path.clone()))
}
