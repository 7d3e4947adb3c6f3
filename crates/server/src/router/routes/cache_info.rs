//! `/nix-cache-info`: the first question of a client. Answered during an outage of the store, unless that lasts: a client takes an error here
//! for "no binary cache at all", which is then the best it can do.

use actix_web::HttpRequest;

use crate::{
    caches::cache::Cache,
    life_cycle::state::ServerState,
    response::{self, Answer, Caching, Entity},
};

pub(crate) async fn get(request: &HttpRequest, state: &ServerState, cache: &Cache) -> Answer {
    if cache.outage.is_standing() {
        // Who is turned away here asks for no narinfo, so that nothing else would tell that it is over.
        if is_out(state, cache).await {
            return cache
                .outage
                .finally(response::unavailable("nothing can be served at the moment\n"));
        }
        cache.outage.end();
    }
    Entity::new("text/x-nix-cache-info", Caching::Hour)
        .answer_bytes(request.headers(), cache.cache_info.clone())
}

async fn is_out(state: &ServerState, cache: &Cache) -> bool {
    !cache.signer().problems().is_empty() || !state.store_problems().await.is_empty()
}
