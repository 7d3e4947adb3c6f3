//! `/serve/<hash part>/<path>`: files inside store paths, for browsers.
//!
//! The files of a store path may come from any author. A page from there is shown in a sandbox without scripts,
//! forms and plug-ins, as if it came from nowhere, and no type is guessed.

mod content_type;
mod directory;

use actix_web::{
    HttpRequest,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use rns_cache::{Served, ServedFile};
use rns_formats::{HashPart, url::ServePath};

use crate::{
    caches::cache::Cache,
    life_cycle::state::ServerState,
    metrics::Kind,
    response::{self, Answer, Caching, Entity, blob, error_response},
};

/// For everything served from inside a store path.
const SANDBOX: &str = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; media-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(crate) async fn get(
    request: &HttpRequest,
    state: &ServerState,
    cache: &Cache,
    hash: HashPart,
    path: &ServePath,
) -> Answer {
    let served = match cache.store.file(hash, path).await {
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

async fn file(request: &HttpRequest, state: &ServerState, file: &ServedFile) -> Answer {
    let contents = &*file.contents;
    let mut entity = Entity::new("application/octet-stream", Caching::Hour)
        .with_etag(response::etag(contents.etag()));
    entity.content_type = content_type::of(&file.name);
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    match blob::send(request, state, &entity, (contents, Kind::Serve)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}

fn harmless(mut answer: Answer) -> Answer {
    if answer.status() != StatusCode::NOT_FOUND {
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    answer
}
