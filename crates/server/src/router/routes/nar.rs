//! `/nar/…`: the archives, whole or in part.

use std::sync::Arc;

use actix_web::{HttpRequest, http::Method};
use bytes::Bytes;
use rns_formats::{Compression, url::NarName};
use rns_nix_store::{Nar, NarBody, StoreError};

use crate::{
    caches::registry::Cache,
    life_cycle::state::State,
    metrics::Kind,
    response::{
        self, Answer, Caching, Entity, Part,
        body::{Body, Download, Held},
        error::error_response,
    },
    router::routes::compressed,
};

pub(crate) async fn get(
    request: &HttpRequest,
    state: &State,
    view: &Cache,
    name: NarName,
) -> Answer {
    if name.compression != Compression::None {
        return compressed::get(request, state, view, name).await;
    }
    let nar = match find(view, &name).await {
        Ok(Some(nar)) => nar,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    // The oldest URLs name only the path, whose NAR may be another one tomorrow.
    let caching = if name.nar_hash.is_some() { Caching::Immutable } else { Caching::Hour };
    let entity = Entity::new("application/x-nix-nar", caching)
        .with_etag(response::etag(nar.info().nar_hash.to_nix32()));
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    let part = entity.part(request.headers(), nar.size());
    match body(request, state, view, &nar, &part).await {
        Ok(Some(body)) => entity.answer_part(&part, body),
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}

/// The NAR that a name stands for. A name of another NAR than the path has now is none: the path was
/// built anew, and the client shall not get what it did not ask for.
async fn find(view: &Cache, name: &NarName) -> Result<Option<Nar>, StoreError> {
    match (name.hash_part, name.nar_hash) {
        (Some(hash), expected) => view.store.nar(hash, expected).await,
        (None, Some(nar_hash)) => {
            for hash in view.store.find_nar(&nar_hash).await? {
                if let Some(nar) = view.store.nar(hash, Some(nar_hash)).await? {
                    return Ok(Some(nar));
                }
            }
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

async fn body(
    request: &HttpRequest,
    state: &State,
    view: &Cache,
    nar: &Nar,
    part: &Part,
) -> Result<Option<Body>, StoreError> {
    if matches!(part, Part::Nowhere(_)) {
        return Ok(Some(Body::Bytes(Bytes::new())));
    }
    if request.method() == Method::HEAD {
        return Ok(Some(Body::head(part.len())));
    }
    let slot =
        Arc::clone(&state.downloads).acquire_owned().await.map_err(|_| StoreError::Stopping)?;
    Ok(view.store.read_nar(nar, part.range()).await?.map(|body| match body {
        NarBody::Whole(bytes) => {
            Body::Held(Held::new(bytes, state.metrics.transfer(Kind::Nar), slot))
        }
        NarBody::Stream(stream) => {
            let transfer = state.metrics.transfer(Kind::Nar);
            Body::Stream(Download::new(Box::new(stream), Some(part.len()), transfer, slot))
        }
    }))
}
