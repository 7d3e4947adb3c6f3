//! `/<hash part>.narinfo`: what there is to know of a path before downloading it.

use std::sync::Arc;

use actix_web::{HttpRequest, http::header::HeaderValue};
use bytes::Bytes;
use rns_formats::{Compression, HashPart, NarInfo, PathInfo, Sha256Digest, url::NarName};

use crate::{
    answer::{self, Answer, Caching, Entity},
    refusal::refuse,
    rendered::{Moment, Rendered},
    signing::Signer,
    state::State,
};

pub(crate) async fn get(request: &HttpRequest, state: &State, hash: HashPart, json: bool) -> Answer {
    let signer = state.signer();
    // A narinfo without the signature that it should have is remembered by clients for a month.
    if !signer.problems().is_empty() {
        return answer::unavailable("the signing key cannot be used at the moment\n");
    }
    // Both are read before the keys and the row are used.
    let now = Moment { epoch: signer.epoch(), generation: state.store.generation() };
    if !json && let Some(rendered) = state.narinfos.get(&hash, now) {
        return send(request, &rendered);
    }
    let info = match state.store.path_info(hash).await {
        Ok(Some(info)) => info,
        Ok(None) => {
            state.narinfos.remove(&hash);
            return answer::not_found();
        }
        Err(error) => return refuse(&error),
    };
    if json {
        return send_json(request, state, &signer, &info);
    }
    let rendered = state.narinfos.renew(&info, now).unwrap_or_else(|| {
        let text = describe(&info, &signer, state).write(state.store.store_dir());
        let etag = etag(&text);
        state.narinfos.insert(&info, Bytes::from(text), etag, now)
    });
    send(request, &rendered)
}

fn send(request: &HttpRequest, rendered: &Arc<Rendered>) -> Answer {
    Entity::new("text/x-nix-narinfo", Caching::Hour)
        .with_etag(rendered.etag.clone())
        .answer_bytes(request.headers(), rendered.text.clone())
}

fn send_json(request: &HttpRequest, state: &State, signer: &Signer, info: &PathInfo) -> Answer {
    let mut json = describe(info, signer, state).to_json(state.store.store_dir());
    if let Some(fields) = json.as_object_mut() {
        fields.insert("registrationTime".to_owned(), info.registration_time.into());
    }
    let text = json.to_string();
    Entity::new("application/json", Caching::Hour)
        .with_etag(etag(&text))
        .answer_bytes(request.headers(), Bytes::from(text))
}

fn etag(text: &str) -> HeaderValue {
    answer::etag(Sha256Digest::of(text.as_bytes()).to_nix32())
}

/// The narinfo of a path whose NAR is sent as it is: the file is the NAR, so it has the NAR's hash and
/// size. Clients up to Nix 2.34 need both lines when they publish the path again.
fn describe(info: &PathInfo, signer: &Signer, state: &State) -> NarInfo {
    NarInfo::for_path(
        info,
        NarName::new(info.path.hash_part(), info.nar_hash, Compression::None).canonical_url(),
        Compression::None,
        Some((info.nar_hash.into(), info.nar_size)),
        signer.signatures(info, state.store.store_dir()),
    )
}
