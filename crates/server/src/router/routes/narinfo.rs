//! `/<hash part>.narinfo`: what there is to know of a path before downloading it.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, http::header::HeaderValue};
use bytes::Bytes;
use rns_formats::{Compression, HashPart, NarInfo, PathInfo, Sha256Digest, url::NarName};
use tokio::time::timeout;

use crate::{
    caches::{registry::Cache, signing::Signer},
    life_cycle::state::State,
    narinfo_cache::{CachedNarinfo, Moment},
    response::{
        self, Answer, Caching, Entity, body::Body, error::error_response,
        preserialized::Preserialized,
    },
    router::{request_parts::RequestParts, routes::compressed},
};

/// How long a narinfo waits for the length and the hash of the compressed NAR.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) async fn get(
    request: &HttpRequest,
    state: &State,
    view: &Cache,
    hash: HashPart,
    json: bool,
) -> Answer {
    let signer = view.signer();
    // A narinfo without the signature that it should have is remembered by clients for a month.
    if !signer.problems().is_empty() {
        return response::unavailable("the signing key cannot be used at the moment\n");
    }
    let now = moment(&signer, view);
    if !json && let Some(narinfo) = narinfo(state, view, hash, now) {
        return send(request, &narinfo);
    }
    let doubt = state.narinfos.doubt(&hash, now);
    let known = match view.store.path_info_at(hash, now.generation, doubt).await {
        Ok(Some(known)) => known,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let info = &known.info;
    if json {
        let offer = Offer::find(state, view, info).await;
        return send_json(request, view, &signer, info, offer);
    }
    if let Some(narinfo) =
        state.narinfos.renew(&known, now).filter(|narinfo| says_all(narinfo, state, view))
    {
        return send(request, &narinfo);
    }
    let offer = Offer::find(state, view, info).await;
    let text = describe(info, &signer, view, offer).write(view.store.store_dir());
    let etag = etag(&text);
    let prepared = prepare(&text, etag.clone());
    let is_complete = offer.file.is_some();
    send(request, &state.narinfos.insert(&known, prepared, etag, now, is_complete))
}

/// What there is to answer, where nothing has to be waited for: it was narinfo before, or there is certainly no such path.
pub(crate) fn peek(
    state: &State,
    view: &Cache,
    hash: HashPart,
) -> Option<Option<Arc<CachedNarinfo>>> {
    let signer = view.signer();
    if !signer.problems().is_empty() {
        return None;
    }
    let now = moment(&signer, view);
    match narinfo(state, view, hash, now) {
        Some(narinfo) => Some(Some(narinfo)),
        None => view.store.is_certainly_absent(hash, now.generation).then_some(None),
    }
}

/// What holds now. To be asked before keys and row are used.
fn moment(signer: &Signer, view: &Cache) -> Moment {
    Moment {
        view: view.id,
        epoch: signer.epoch(),
        exposure: view.store.exposure_epoch(),
        generation: view.store.generation(),
    }
}

/// What was narinfo before, and is still true and complete.
fn narinfo(state: &State, view: &Cache, hash: HashPart, now: Moment) -> Option<Arc<CachedNarinfo>> {
    let still = |witness: &_, since| view.store.still_holds(witness, since, now.generation);
    let narinfo = state.narinfos.get(&hash, now, still)?;
    says_all(&narinfo, state, view).then_some(narinfo)
}

/// Whether a narinfo narinfo says all that is known by now.
fn says_all(narinfo: &CachedNarinfo, state: &State, view: &Cache) -> bool {
    narinfo.awaited.is_none_or(|nar_hash| {
        let codec = state.config.compression;
        codec.is_none_or(|codec| view.store.known_compressed_file(&nar_hash, codec).is_none())
    })
}

/// Answers with what is known.
pub(crate) fn send(request: &impl RequestParts, narinfo: &CachedNarinfo) -> Answer {
    entity(narinfo.etag.clone()).answer_bytes(request.head().headers(), narinfo.prepared.body())
}

fn entity(etag: HeaderValue) -> Entity {
    Entity::new("text/x-nix-narinfo", Caching::Hour).with_etag(etag)
}

/// The answer with this text to everybody who does not have it yet.
fn prepare(text: &str, etag: HeaderValue) -> Preserialized {
    let answer = entity(etag).answer_whole(Body::Bytes(Bytes::new()));
    Preserialized::new(&answer, text.as_bytes())
}

fn send_json(
    request: &HttpRequest,
    view: &Cache,
    signer: &Signer,
    info: &PathInfo,
    offer: Offer,
) -> Answer {
    let mut json = describe(info, signer, view, offer).to_json(view.store.store_dir());
    if let Some(fields) = json.as_object_mut() {
        fields.insert("registrationTime".to_owned(), info.registration_time.into());
    }
    let text = json.to_string();
    Entity::new("application/json", Caching::Hour)
        .with_etag(etag(&text))
        .answer_bytes(request.headers(), Bytes::from(text))
}

fn etag(text: &str) -> HeaderValue {
    response::etag(Sha256Digest::of(text.as_bytes()).to_nix32())
}

/// How a NAR is offered.
#[derive(Clone, Copy)]
struct Offer {
    compression: Compression,
    /// Hash and length of what the URL answers, where they are known.
    file: Option<(Sha256Digest, u64)>,
}

impl Offer {
    /// As configured, except for a NAR that is too large to be compressed.
    ///
    /// A NAR that is sent as it is has its own hash and length. Those of a small one are found out by compressing
    /// it, unless there is too much else to do. Clients up to Nix 2.34 need both lines when they publish
    /// the path again.
    async fn find(state: &State, view: &Cache, info: &PathInfo) -> Self {
        match state.config.compression {
            Some(codec) if view.store.compresses(info.nar_size) => {
                let file =
                    timeout(PATIENCE, view.store.compressed_file(info, codec)).await.ok().flatten();
                Self {
                    compression: compressed::compression(codec),
                    file: file.map(|file| (file.hash, file.size)),
                }
            }
            _ => {
                Self { compression: Compression::None, file: Some((info.nar_hash, info.nar_size)) }
            }
        }
    }
}

fn describe(info: &PathInfo, signer: &Signer, view: &Cache, offer: Offer) -> NarInfo {
    NarInfo::for_path(
        info,
        NarName::new(info.path.hash_part(), info.nar_hash, offer.compression).canonical_url(),
        offer.compression,
        offer.file.map(|(hash, size)| (hash.into(), size)),
        signer.signatures(info, view.store.store_dir()),
    )
}
