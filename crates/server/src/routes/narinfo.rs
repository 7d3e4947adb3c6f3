//! `/<hash part>.narinfo`: what there is to know of a path before downloading it.

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_formats::{Compression, HashPart, NarInfo, PathInfo, Sha256Digest, url::NarName};

use crate::{
    answer::{self, Answer, Caching, Entity},
    refusal::refuse,
    signing::Signer,
    state::State,
};

pub(crate) async fn get(request: &HttpRequest, state: &State, hash: HashPart, json: bool) -> Answer {
    // A narinfo without the signature that it should have is remembered by clients for a month.
    if !state.signer().problems().is_empty() {
        return answer::unavailable("the signing key cannot be used at the moment\n");
    }
    let info = match state.store.path_info(hash).await {
        Ok(Some(info)) => info,
        Ok(None) => return answer::not_found(),
        Err(error) => return refuse(&error),
    };
    let narinfo = describe(&info, &state.signer(), state);
    let (content_type, text) = if json {
        ("application/json", narinfo.to_json(state.store.store_dir()).to_string())
    } else {
        ("text/x-nix-narinfo", narinfo.write(state.store.store_dir()))
    };
    let etag = Sha256Digest::of(text.as_bytes()).to_nix32();
    Entity::new(content_type, Caching::Hour).with_etag(etag).answer_bytes(request.headers(), Bytes::from(text))
}

/// The narinfo of a path whose NAR is sent as it is: the file is the NAR, so it has the NAR's hash and
/// size. Clients up to Nix 2.34 need both lines when they publish the path again.
fn describe(info: &PathInfo, signer: &Signer, state: &State) -> NarInfo {
    let name = NarName::new(info.path.hash_part(), info.nar_hash, Compression::None);
    NarInfo::for_path(
        info,
        name.canonical_url(),
        Compression::None,
        Some((info.nar_hash.into(), info.nar_size)),
        signer.signatures(info, state.store.store_dir()),
    )
}
