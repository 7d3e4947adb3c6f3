//! `/serve/<hash part>/<path>`: files inside store paths, for browsers.
//!
//! What is in a store path was written by anybody. A page from there is shown in a sandbox without scripts,
//! forms and plug-ins, as if it came from nowhere, and no type is guessed.

mod content_type;
mod directory;

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};
use rns_formats::{HashPart, url::ServePath};
use rns_nix_store::{Served, ServedFile};

use crate::{
    caches::registry::Cache,
    life_cycle::state::State,
    metrics::Kind,
    response::{
        self, Answer, Caching, Entity,
        body::{Body, Download},
        error::error_response,
    },
};

/// For everything served from inside a store path.
const SANDBOX: &str = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; media-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(crate) async fn get(
    request: &HttpRequest,
    state: &State,
    view: &Cache,
    hash: HashPart,
    path: &ServePath,
) -> Answer {
    let served = match view.store.file(hash, path).await {
        Ok(Some(served)) => served,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let answer = match served {
        Served::File(found) => file(request, state, &found).await,
        // Without the slash at the end, links in the page would be relative to the directory above.
        Served::Directory(_) if !path.trailing_slash() => directory::with_slash(hash, path),
        Served::Directory(directory) => match &directory.index {
            Some(index) => file(request, state, index).await,
            None => directory::list(request, &directory, path),
        },
    };
    harmless(answer)
}

async fn file(request: &HttpRequest, state: &State, file: &ServedFile) -> Answer {
    let mut entity = Entity::new("application/octet-stream", Caching::Hour)
        .with_etag(response::etag(file.info.nar_hash.to_nix32()));
    entity.content_type = content_type::of(&file.name);
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    let part = entity.part(request.headers(), file.len);
    if request.method() == Method::HEAD || part.len() == 0 {
        return entity.answer_part(&part, Body::head(part.len()));
    }
    let Ok(slot) = Arc::clone(&state.downloads).acquire_owned().await else {
        return response::unavailable("stopping\n");
    };
    let transfer = state.metrics.transfer(Kind::Serve);
    let body = Download::new(Box::new(file.read(part.range())), Some(part.len()), transfer, slot);
    entity.answer_part(&part, Body::Stream(body))
}

fn harmless(mut answer: Answer) -> Answer {
    if answer.status() != StatusCode::NOT_FOUND {
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    answer
}
