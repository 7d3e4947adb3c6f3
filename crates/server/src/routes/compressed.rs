//! `/nar/….nar.zst` and `/nar/….nar.xz`: archives that are compressed here.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{
        Method, Version,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use rns_formats::{Compression, url::NarName};
use rns_store::{Chunks, Codec, Compressed, CompressedBody, Finished, Growing, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    answer::{self, Answer, Caching, Entity, Part},
    body::{Body, Download, Held},
    metrics::Kind,
    nginx,
    refusal::refuse,
    state::State,
    views::View,
};

pub(crate) async fn get(
    request: &HttpRequest,
    state: &State,
    view: &View,
    name: NarName,
) -> Answer {
    // A compressed NAR without the hash part of its path is named by the hash of the file, which says nothing here.
    let (Some(codec), Some(hash)) = (codec(name.compression), name.hash_part) else {
        return answer::not_found();
    };
    let compressed = match view.store.compressed_nar(hash, name.nar_hash, codec).await {
        Ok(Some(compressed)) => compressed,
        Ok(None) => return answer::not_found(),
        Err(error) => return refuse(&error),
    };
    let caching = if name.nar_hash.is_some() { Caching::Immutable } else { Caching::Hour };
    let tag = match &compressed {
        Compressed::Finished(finished) => finished.tag(),
        Compressed::Growing(growing) => growing.tag(),
    };
    let entity = Entity::new("application/x-nix-nar", caching).with_etag(answer::etag(tag));
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    let answer = match compressed {
        Compressed::Finished(finished) => send(request, state, &entity, &finished).await,
        Compressed::Growing(growing) => send_growing(request, state, &entity, growing).await,
    };
    match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => answer::not_found(),
        Err(error) => refuse(&error),
    }
}

/// Sends what is complete, or lets nginx do that.
async fn send(
    request: &HttpRequest,
    state: &State,
    entity: &Entity,
    finished: &Finished,
) -> Result<Option<Answer>, StoreError> {
    if let Some(name) = finished.file_name()
        && let Some(location) = nginx::location(request, state, name)
    {
        let mut answer = entity.answer_whole(Body::Bytes(Bytes::new()));
        answer.headers_mut().insert(HeaderName::from_static(nginx::HEADER), location);
        return Ok(Some(answer));
    }
    let part = entity.part(request.headers(), finished.file().size);
    if matches!(part, Part::Nowhere(_)) {
        return Ok(Some(entity.answer_part(&part, Body::Bytes(Bytes::new()))));
    }
    if request.method() == Method::HEAD {
        return Ok(Some(entity.answer_part(&part, Body::head(part.len()))));
    }
    let body = match finished.read(part.range()).await? {
        None => return Ok(None),
        Some(CompressedBody::Whole(bytes)) => {
            Body::Held(Held::new(bytes, state.metrics.transfer(Kind::Nar), slot(state).await?))
        }
        Some(CompressedBody::Stream(chunks)) => download(state, chunks, Some(part.len())).await?,
    };
    Ok(Some(entity.answer_part(&part, body)))
}

/// Sends what is still being made. A part can be sent only when its last byte is known; and a client that speaks
/// HTTP/1.0 could not tell a body without a length from one that was cut off.
async fn send_growing(
    request: &HttpRequest,
    state: &State,
    entity: &Entity,
    growing: Growing,
) -> Result<Option<Answer>, StoreError> {
    let is_old = request.version() < Version::HTTP_11;
    if is_old || entity.asks_for_part(request.headers()) {
        return match growing.finished().await? {
            Some(finished) => send(request, state, entity, &finished).await,
            None => Ok(None),
        };
    }
    let body = if request.method() == Method::HEAD {
        Body::head_of_stream()
    } else {
        download(state, Box::new(growing.stream()), None).await?
    };
    let mut answer = entity.answer_whole(body);
    answer.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(Some(answer))
}

async fn download(
    state: &State,
    chunks: Box<dyn Chunks>,
    length: Option<u64>,
) -> Result<Body, StoreError> {
    let slot = slot(state).await?;
    Ok(Body::Stream(Download::new(chunks, length, state.metrics.transfer(Kind::Nar), slot)))
}

async fn slot(state: &State) -> Result<OwnedSemaphorePermit, StoreError> {
    Arc::clone(&state.downloads).acquire_owned().await.map_err(|_| StoreError::Stopping)
}

const fn codec(compression: Compression) -> Option<Codec> {
    match compression {
        Compression::Zstd => Some(Codec::Zstd),
        Compression::Xz => Some(Codec::Xz),
        _ => None,
    }
}

/// What narinfos and URLs call it.
pub(crate) const fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::Zstd => Compression::Zstd,
        Codec::Xz => Compression::Xz,
    }
}
