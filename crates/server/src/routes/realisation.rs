//! What content-addressed derivations were resolved to: `/build-trace-v2/…` (Nix 2.35 and later) and
//! `/realisations/…` (before).

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_formats::{DrvOutputId, Sha256Digest, StorePath};
use rns_store::StoreError;

use crate::{
    answer::{self, Answer, Caching, Entity},
    refusal::refuse,
    state::State,
};

pub(crate) async fn get(request: &HttpRequest, state: &State, id: &DrvOutputId) -> Answer {
    let found = state.store.realisation(id).await;
    answer_json(request, found.map(|found| found.map(|realisation| realisation.to_json().to_string())))
}

pub(crate) async fn build_trace(request: &HttpRequest, state: &State, drv: &StorePath, output: &str) -> Answer {
    let found = state.store.build_trace(drv, output).await;
    answer_json(request, found.map(|found| found.map(|entry| entry.to_json().to_string())))
}

fn answer_json(request: &HttpRequest, found: Result<Option<String>, StoreError>) -> Answer {
    match found {
        Ok(Some(json)) => Entity::new("application/json", Caching::Hour)
            .with_etag(answer::etag(Sha256Digest::of(json.as_bytes()).to_nix32()))
            .answer_bytes(request.headers(), Bytes::from(json)),
        Ok(None) => answer::not_found(),
        Err(error) => refuse(&error),
    }
}
