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
use rns_nix_store::{
    Chunks, Codec, Compressed, CompressedBody, Finished, GrowingNar, Piece, StoreError,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    caches::registry::Cache,
    connection::via_nginx,
    life_cycle::state::State,
    metrics::Kind,
    response::{
        self, Answer, Caching, Entity, Part,
        body::{Body, Download, Held},
        error::error_response,
        preserialized::{Audience, Preserialized},
    },
};

pub(crate) async fn get(
    request: &HttpRequest,
    state: &State,
    view: &Cache,
    name: NarName,
) -> Answer {
    // A compressed NAR without the hash part of its path is named by the hash of the file, which says nothing here.
    let (Some(codec), Some(hash)) = (codec(name.compression), name.hash_part) else {
        return response::not_found();
    };
    let compressed = match view.store.compressed_nar(hash, name.nar_hash, codec).await {
        Ok(Some(compressed)) => compressed,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let entity = entity(
        &name,
        match &compressed {
            Compressed::Finished(finished) => finished.tag(),
            Compressed::GrowingNar(growing) => growing.tag(),
        },
    );
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    let answer = match compressed {
        Compressed::Finished(finished) => send(request, state, &entity, &finished).await,
        Compressed::GrowingNar(growing) => send_growing(request, state, &entity, growing).await,
    };
    match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}

fn entity(name: &NarName, tag: &str) -> Entity {
    let caching = if name.nar_hash.is_some() { Caching::Immutable } else { Caching::Hour };
    Entity::new("application/x-nix-nar", caching).with_etag(response::etag(tag))
}

/// Appends the head of the answer to GET, and returns the body, where nothing has to be waited for. `by_name`: it is nginx that
/// asks, and sends files itself.
pub(crate) fn at_hand(
    state: &State,
    view: &Cache,
    name: &NarName,
    by_name: bool,
    audience: Audience,
    head: &mut Vec<u8>,
) -> Option<Option<Piece>> {
    // How long an answer may be kept depends on whether its URL names the NAR.
    let (codec, nar_hash) = (codec(name.compression)?, name.nar_hash?);
    let by_name = by_name && via_nginx::sends_files(state);
    let nar = view.store.compressed_in_memory(name.hash_part?, Some(nar_hash), codec, by_name)?;
    if let Some(file) = nar.file_name() {
        Preserialized::head(
            &redirect(&entity(name, nar.tag()), via_nginx::location_of(state, file)?),
            0,
        )
        .write(audience, head);
        return Some(None);
    }
    let make = || {
        let part = Part::Whole(nar.size());
        let answer = entity(name, nar.tag()).answer_part(&part, Body::Bytes(Bytes::new()));
        Preserialized::head(&answer, nar.size())
    };
    match nar.made(make) {
        Some(prepared) => prepared.write(audience, head),
        None => make().write(audience, head),
    }
    nar.into_piece().map(Some)
}

/// The answer that makes nginx send a file.
fn redirect(entity: &Entity, location: HeaderValue) -> Answer {
    let mut answer = entity.answer_whole(Body::Bytes(Bytes::new()));
    answer.headers_mut().insert(HeaderName::from_static(via_nginx::HEADER), location);
    answer
}

/// Sends what is complete, or lets nginx do that.
async fn send(
    request: &HttpRequest,
    state: &State,
    entity: &Entity,
    finished: &Finished,
) -> Result<Option<Answer>, StoreError> {
    if let Some(name) = finished.file_name()
        && let Some(location) = via_nginx::location(request, state, name)
    {
        return Ok(Some(redirect(entity, location)));
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
    growing: GrowingNar,
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
