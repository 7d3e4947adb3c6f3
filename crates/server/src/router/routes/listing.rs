//! `/<hash part>.ls`: the files of a path, with the offset of each in its NAR.

use actix_web::HttpRequest;
use rns_formats::HashPart;

use crate::{
    caches::cache::Cache,
    life_cycle::state::ServerState,
    response::{self, Answer, Caching, Entity, error_response},
};

pub(crate) async fn get(
    request: &HttpRequest,
    state: &ServerState,
    cache: &Cache,
    hash: HashPart,
) -> Answer {
    // Requests that wait until their listing may be sent keep others from making more.
    let client = state.failure_policy.network(request);
    let _turn = state.large_metadata.download(client, 0).await;
    let answer = answer(request, cache, hash).await;
    let answer = response::for_method(request.method(), answer);
    response::with_share(answer, &state.send_budget, || client).await
}

async fn answer(request: &HttpRequest, cache: &Cache, hash: HashPart) -> Answer {
    match cache.store.listing(hash).await {
        Ok(Some(listing)) => Entity::new("application/json", Caching::Hour)
            .with_etag(response::etag(&listing.etag))
            .answer_bytes(request.headers(), listing.json),
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}
