//! `/<hash part>.narinfo`: the metadata of a path.

use std::sync::Arc;

use actix_web::{HttpRequest, http::header::HeaderValue};
use bytes::Bytes;
use rns_cache::{PathRecord, Peek};
use rns_formats::{HashPart, NarInfo, Sha256Digest};

use crate::{
    caches::{cache::Cache, signing::Signer},
    connection::request_parts::RequestParts,
    life_cycle::state::ServerState,
    narinfo_cache::{CachedNarinfo, Version},
    response::{
        self, Answer, Caching, Entity, body::Body, error_response, preserialized::Preserialized,
    },
};

pub(crate) async fn get(
    request: &HttpRequest,
    state: &ServerState,
    cache: &Cache,
    hash: HashPart,
    json: bool,
) -> Answer {
    let signer = cache.signer();
    // A narinfo without the signature that it should have is remembered by clients for a month.
    if !signer.problems().is_empty() {
        return response::unavailable("the signing key cannot be used at the moment\n");
    }
    if !json && let Some(Some(narinfo)) = peek(state, cache, hash) {
        return send(request, &narinfo);
    }
    let record = match cache.store.path_info(hash).await {
        Ok(Some(record)) => record,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    if json {
        return send_json(request, cache, &signer, &record);
    }
    let version = Version { cache: cache.id, keys: signer.epoch(), freshness: record.freshness };
    if let Some(narinfo) = state.narinfos.get(&hash, version) {
        return send(request, &narinfo);
    }
    let text = describe(&record, &signer, cache).write(cache.store.store_dir());
    let etag = etag(&text);
    let prepared = prepare(&text, etag.clone());
    send(request, &state.narinfos.insert(hash, version, prepared, etag))
}

/// The answer that needs no waiting: a narinfo that was rendered before, or that there is certainly no such path.
pub(crate) fn peek(
    state: &ServerState,
    cache: &Cache,
    hash: HashPart,
) -> Option<Option<Arc<CachedNarinfo>>> {
    let signer = cache.signer();
    if !signer.problems().is_empty() {
        return None;
    }
    // Read before the keys and the record are used.
    let keys = signer.epoch();
    let known = state.narinfos.with_keys(&hash, cache.id, keys);
    let generation = known.as_ref().and_then(|_| cache.store.generation());
    if let (Some(narinfo), Some(generation)) = (&known, generation)
        && narinfo.is_confirmed(generation)
    {
        return Some(known);
    }
    match cache.store.peek(&hash) {
        Peek::Hit { freshness, .. } => {
            let version = Version { cache: cache.id, keys, freshness };
            let narinfo = known.filter(|narinfo| narinfo.is_of(version))?;
            // The cache has answered for this generation only if it is still the one.
            if let Some(generation) = generation
                && cache.store.generation() == Some(generation)
            {
                narinfo.confirm(generation);
            }
            Some(Some(narinfo))
        }
        Peek::Miss => Some(None),
        Peek::Unknown => None,
    }
}

/// Answers with a rendered narinfo.
pub(crate) fn send(request: &impl RequestParts, narinfo: &CachedNarinfo) -> Answer {
    entity(narinfo.etag.clone()).answer_bytes(request.head().headers(), narinfo.prepared.body())
}

fn entity(etag: HeaderValue) -> Entity {
    Entity::new("text/x-nix-narinfo", Caching::Hour).with_etag(etag)
}

/// The answer with this text to every client that does not have it yet.
fn prepare(text: &str, etag: HeaderValue) -> Preserialized {
    let answer = entity(etag).answer_whole(Body::Bytes(Bytes::new()));
    Preserialized::new(&answer, text.as_bytes())
}

fn send_json(request: &HttpRequest, cache: &Cache, signer: &Signer, record: &PathRecord) -> Answer {
    let mut json = describe(record, signer, cache).to_json(cache.store.store_dir());
    if let Some(fields) = json.as_object_mut() {
        fields.insert("registrationTime".to_owned(), record.info.registration_time.into());
    }
    let text = json.to_string();
    Entity::new("application/json", Caching::Hour)
        .with_etag(etag(&text))
        .answer_bytes(request.headers(), Bytes::from(text))
}

fn etag(text: &str) -> HeaderValue {
    response::etag(Sha256Digest::of(text.as_bytes()).to_nix32())
}

fn describe(record: &PathRecord, signer: &Signer, cache: &Cache) -> NarInfo {
    let PathRecord { info, offer, .. } = record;
    let signatures = signer.signatures(info, cache.store.store_dir());
    NarInfo::for_path(info, offer.url.clone(), offer.compression, offer.file, signatures)
}
