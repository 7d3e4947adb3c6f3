//! Outputs of content-addressed derivations: `/build-trace-v2/…` (Nix 2.35 and later) and
//! `/realisations/…` (before).

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_cache::CacheError;
use rns_formats::{DrvOutputId, Sha256Digest, StorePath};

use crate::{
    caches::{cache::Cache, signing::Signable},
    response::{self, Answer, Caching, Entity, error_response},
};

pub(crate) async fn get(request: &HttpRequest, cache: &Cache, id: &DrvOutputId) -> Answer {
    let found = cache.store.realisation(id).await;
    answer_json(request, cache, found, |realisation| realisation.to_json())
}

pub(crate) async fn build_trace(
    request: &HttpRequest,
    cache: &Cache,
    drv: &StorePath,
    output: &str,
) -> Answer {
    let found = cache.store.build_trace(drv, output).await;
    answer_json(request, cache, found, |entry| entry.to_json())
}

fn answer_json<R: Signable>(
    request: &HttpRequest,
    cache: &Cache,
    found: Result<Option<R>, CacheError>,
    to_json: impl Fn(&R) -> String,
) -> Answer {
    let signer = cache.signer();
    if !signer.problems().is_empty() {
        return response::unavailable("the signing key cannot be used at the moment\n");
    }
    match found {
        Ok(Some(mut realisation)) => {
            signer.sign_realisation(&mut realisation);
            let json = to_json(&realisation);
            Entity::new("application/json", Caching::Hour)
                .with_etag(response::etag(Sha256Digest::of(json.as_bytes()).to_nix32()))
                .answer_bytes(request.headers(), Bytes::from(json))
        }
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}
