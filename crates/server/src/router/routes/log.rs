//! `/log/<derivation>`: what a build printed.

use std::sync::Arc;

use actix_web::{HttpRequest, http::Method};
use rns_formats::url::LogName;
use rns_nix_store::{BuildLog, StoreError};

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

pub(crate) async fn get(
    request: &HttpRequest,
    state: &State,
    view: &Cache,
    name: &LogName,
) -> Answer {
    let log = match view.store.log(name).await {
        Ok(Some(log)) => log,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let entity = Entity::new("text/plain; charset=utf-8", Caching::Hour)
        .with_etag(response::etag(log.etag()));
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    let length = log.len();
    let answer = match length {
        Some(len) => {
            let part = entity.part(request.headers(), len);
            let body = if request.method() == Method::HEAD || part.len() == 0 {
                Ok(Body::head(part.len()))
            } else {
                stream(state, &log, part.range(), Some(part.len())).await
            };
            body.map(|body| entity.answer_part(&part, body))
        }
        None if request.method() == Method::HEAD => Ok(entity.answer_whole(Body::head_of_stream())),
        None => stream(state, &log, 0..u64::MAX, None).await.map(|body| entity.answer_whole(body)),
    };
    match answer {
        Ok(answer) => harmless(answer),
        Err(error) => error_response(&error),
    }
}

async fn stream(
    state: &State,
    log: &BuildLog,
    range: std::ops::Range<u64>,
    length: Option<u64>,
) -> Result<Body, StoreError> {
    let slot =
        Arc::clone(&state.downloads).acquire_owned().await.map_err(|_| StoreError::Stopping)?;
    let chunks = log.read(range);
    Ok(Body::Stream(Download::new(
        Box::new(chunks),
        length,
        state.metrics.transfer(Kind::Log),
        slot,
    )))
}

/// Logs hold whatever a build printed; no browser shall find a page in one.
fn harmless(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(
        actix_web::http::header::X_CONTENT_TYPE_OPTIONS,
        actix_web::http::header::HeaderValue::from_static("nosniff"),
    );
    answer
}
