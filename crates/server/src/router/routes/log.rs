//! `/log/<derivation>`: the log of a build.

use actix_web::{HttpRequest, http::Method};
use rns_cache::LogContents;
use rns_formats::url::LogName;

use crate::{
    caches::cache::Cache,
    life_cycle::state::ServerState,
    metrics::Kind,
    response::{self, Answer, Caching, Entity, blob, body::Body, error_response},
};

pub(crate) async fn get(
    request: &HttpRequest,
    state: &ServerState,
    cache: &Cache,
    name: &LogName,
) -> Answer {
    let log = match cache.store.log(name).await {
        Ok(Some(log)) => log,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let entity = Entity::new("text/plain; charset=utf-8", Caching::Hour)
        .with_etag(response::etag(&log.etag));
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    let answer = match log.contents {
        LogContents::Sized(text) => blob::send(request, state, &entity, (&*text, Kind::Log)).await,
        LogContents::Stream(_) if request.method() == Method::HEAD => {
            Ok(Some(entity.answer_whole(Body::head_of_stream())))
        }
        LogContents::Stream(text) => {
            Ok(Some(blob::stream(request, state, &entity, (text, Kind::Log)).await))
        }
    };
    match answer {
        Ok(Some(answer)) => harmless(answer),
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}

/// Logs hold all that a build printed; no browser shall find a page in one.
fn harmless(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(
        actix_web::http::header::X_CONTENT_TYPE_OPTIONS,
        actix_web::http::header::HeaderValue::from_static("nosniff"),
    );
    answer
}
