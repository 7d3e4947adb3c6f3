//! Answers from the bytes that a cache hands out: whole, in part, or by a server in front.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode, Version,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use rns_cache::{Blob, BlobBody, CacheError, Chunks, GrowingBlob};

use crate::{
    connection::via_nginx,
    life_cycle::state::ServerState,
    metrics::Kind,
    response::{
        Answer, Entity,
        body::{Body, BufferedBody, Download},
        send_budget::Client,
    },
};

/// The answer with a blob, or the part of it that a request wants. `None` when it was removed meanwhile.
pub(crate) async fn send(
    request: &HttpRequest,
    state: &ServerState,
    entity: &Entity,
    (blob, kind): (&dyn Blob, Kind),
) -> Result<Option<Answer>, CacheError> {
    if let Some(name) = blob.file_name()
        && let Some(location) = via_nginx::location(request, state.config.nginx.as_ref(), name)
    {
        return Ok(Some(by_nginx(entity, location)));
    }
    // A URL that lets a client read does not let it ask for the head alone.
    if request.method() != Method::HEAD
        && let Some(url) = blob.redirect().and_then(|url| HeaderValue::try_from(url).ok())
    {
        return Ok(Some(elsewhere(url)));
    }
    let part = entity.part(request.headers(), blob.len());
    if request.method() == Method::HEAD || part.len() == 0 {
        return Ok(Some(entity.answer_part(&part, Body::head(part.len()))));
    }
    let share = state.send_budget.download(network(request, state), part.len()).await;
    let transfer = || state.metrics.transfer(kind);
    let body = match blob.read(part.range()).await? {
        None => return Ok(None),
        Some(BlobBody::Whole(bytes)) => Body::Held(BufferedBody::new(bytes, transfer(), share)),
        Some(BlobBody::Stream(chunks)) => {
            Body::Stream(Download::new(chunks, Some(part.len()), transfer(), share))
        }
    };
    Ok(Some(entity.answer_part(&part, body)))
}

/// The answer with a blob that is still being made. A part can be sent only when its last byte is known; and a client that
/// speaks HTTP/1.0 could not tell a body without a length from one that was cut off.
pub(crate) async fn send_growing(
    request: &HttpRequest,
    state: &ServerState,
    entity: &Entity,
    (growing, kind): (Box<dyn GrowingBlob>, Kind),
) -> Result<Option<Answer>, CacheError> {
    let is_old = request.version() < Version::HTTP_11;
    if is_old || entity.asks_for_part(request.headers()) {
        return match growing.finished().await? {
            Some(finished) => send(request, state, entity, (&*finished, kind)).await,
            None => Ok(None),
        };
    }
    let mut answer = if request.method() == Method::HEAD {
        entity.answer_whole(Body::head_of_stream())
    } else {
        let Some(chunks) = growing.stream().await? else { return Ok(None) };
        stream(request, state, entity, (chunks, kind)).await
    };
    answer.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(Some(answer))
}

/// The answer with all of a stream whose length is not known.
pub(crate) async fn stream(
    request: &HttpRequest,
    state: &ServerState,
    entity: &Entity,
    (chunks, kind): (Box<dyn Chunks>, Kind),
) -> Answer {
    let share = state.send_budget.download(network(request, state), u64::MAX).await;
    let download = Download::new(chunks, None, state.metrics.transfer(kind), share);
    entity.answer_whole(Body::Stream(download))
}

/// The answer that makes nginx send a file.
pub(crate) fn by_nginx(entity: &Entity, location: HeaderValue) -> Answer {
    let mut answer = entity.answer_whole(Body::Bytes(Bytes::new()));
    answer.headers_mut().insert(HeaderName::from_static(via_nginx::ACCEL_REDIRECT), location);
    answer
}

/// The answer that makes the client get the bytes where they are. Such URLs are valid for a while only.
fn elsewhere(url: HeaderValue) -> Answer {
    let mut answer =
        HttpResponse::with_body(StatusCode::TEMPORARY_REDIRECT, Body::Bytes(Bytes::new()));
    let headers = answer.headers_mut();
    headers.insert(header::LOCATION, url);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Who asks, for a fair share.
fn network(request: &HttpRequest, state: &ServerState) -> Client {
    state.failure_policy.network(request)
}
