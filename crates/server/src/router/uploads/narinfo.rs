//! `PUT /<hash part>.narinfo`: the last object of a path, which makes it visible.

use std::pin::pin;

use actix_web::{HttpRequest, http::StatusCode};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rns_cache::{CacheError, PublishError, Published, Pusher};
use rns_formats::{HashPart, NarInfo};

use super::body::IncomingBody;
use crate::{
    auth::Grant,
    caches::{cache::Cache, uploads::Uploads},
    life_cycle::state::ServerState,
};

/// References that are looked for at the same time.
const MAX_REFERENCE_LOOKUPS: usize = 16;

/// References that a client does not see, after which no more are looked for.
const MAX_HIDDEN: usize = 64;

pub(super) async fn put(
    request: &HttpRequest,
    state: &ServerState,
    (cache, grant): (&Cache, &Grant),
    uploads: &Uploads,
    (hash, incoming): (HashPart, IncomingBody<'_>),
) -> Result<StatusCode, PublishError> {
    let target = &*uploads.target;
    let text = incoming.small(target).await?;
    let malformed =
        |why: String| PublishError::Malformed { object: format!("{hash}.narinfo"), why };
    let text = str::from_utf8(&text).map_err(|error| malformed(error.to_string()))?;
    let store_dir = target.store_dir();
    let narinfo = NarInfo::parse(text, store_dir).map_err(|error| malformed(error.to_string()))?;
    if narinfo.store_path.hash_part() != hash {
        return Err(malformed(format!("it is about {}", narinfo.store_path)));
    }
    if !grant.may_name(narinfo.store_path.name()) {
        return Err(PublishError::NotAllowed { object: narinfo.store_path.to_string() });
    }
    if grant.confined_to.is_some() {
        sees_references(cache, &narinfo).await?;
    }
    let signer = cache.signer();
    // A narinfo without the signature that it should have would stay so.
    if !signer.problems().is_empty() {
        return Err(PublishError::Cache(CacheError::Unavailable {
            what: "a signing key cannot be used".to_owned(),
            remedy: "uploads are refused until it is mended",
        }));
    }
    let known = state.caches.load().known_keys();
    let narinfo = uploads.admit(narinfo, store_dir, &signer, &known)?;
    drop(signer);
    let pusher = pusher(request, state, grant);
    let published = target.publish(&narinfo, &pusher).await?;
    if published == Published::Kept {
        tracing::info!(
            path = %narinfo.store_path,
            "{} pushed another build of a path that is published: the first one stays",
            pusher.name
        );
    }
    Ok(if published == Published::New { StatusCode::CREATED } else { StatusCode::OK })
}

/// A client that sees only some paths refers to no others: to it, they are not there.
async fn sees_references(cache: &Cache, narinfo: &NarInfo) -> Result<(), PublishError> {
    let references = narinfo.references.iter().filter(|path| **path != narinfo.store_path);
    let looks = stream::iter(references.cloned().collect::<Vec<_>>()).map(async |path| {
        let found = cache.store.path_info(path.hash_part()).await?;
        let is_seen = found.is_some_and(|found| found.info.path == path);
        Ok::<_, CacheError>((!is_seen).then_some(path))
    });
    let mut looks = pin!(looks.buffered(MAX_REFERENCE_LOOKUPS));
    let mut hidden = Vec::new();
    while let Some(look) = looks.try_next().await? {
        hidden.extend(look);
        // The answer names no more of them, and no upstream is asked thousands of times for nothing.
        if hidden.len() == MAX_HIDDEN {
            break;
        }
    }
    if hidden.is_empty() { Ok(()) } else { Err(PublishError::MissingReferences(hidden)) }
}

/// Who uploads or removes.
pub(super) fn pusher(request: &HttpRequest, state: &ServerState, grant: &Grant) -> Pusher {
    let client = state.failure_policy.client(request);
    Pusher {
        name: grant.holder.as_ref().map_or("anonymous", |holder| &holder.name).to_owned(),
        address: client.map(|address| address.to_string()),
    }
}
