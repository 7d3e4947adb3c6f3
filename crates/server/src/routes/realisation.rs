//! What content-addressed derivations were resolved to: `/build-trace-v2/…` (Nix 2.35 and later) and
//! `/realisations/…` (before).

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_formats::{DrvOutputId, Sha256Digest, StorePath};
use rns_store::StoreError;

use crate::{
    answer::{self, Answer, Caching, Entity},
    refusal::refuse,
    signing::Signable,
    views::View,
};

pub(crate) async fn get(request: &HttpRequest, view: &View, id: &DrvOutputId) -> Answer {
    let found = view.store.realisation(id).await;
    answer_json(request, view, found, |realisation| realisation.to_json())
}

pub(crate) async fn build_trace(
    request: &HttpRequest,
    view: &View,
    drv: &StorePath,
    output: &str,
) -> Answer {
    let found = view.store.build_trace(drv, output).await;
    answer_json(request, view, found, |entry| entry.to_json())
}

fn answer_json<R: Signable>(
    request: &HttpRequest,
    view: &View,
    found: Result<Option<R>, StoreError>,
    to_json: impl Fn(&R) -> String,
) -> Answer {
    let signer = view.signer();
    if !signer.problems().is_empty() {
        return answer::unavailable("the signing key cannot be used at the moment\n");
    }
    match found {
        Ok(Some(mut realisation)) => {
            signer.sign_realisation(&mut realisation);
            let json = to_json(&realisation);
            Entity::new("application/json", Caching::Hour)
                .with_etag(answer::etag(Sha256Digest::of(json.as_bytes()).to_nix32()))
                .answer_bytes(request.headers(), Bytes::from(json))
        }
        Ok(None) => answer::not_found(),
        Err(error) => refuse(&error),
    }
}
