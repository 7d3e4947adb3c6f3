//! `/api/cache-config`: the facts that a client's set-up needs, so that a CI step has to know the address only.
//!
//! It needs no permission, since a step asks it for the audience of the token that it then gets, and names no path.

use actix_web::HttpRequest;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    auth::config::OidcProvider,
    caches::cache::Cache,
    life_cycle::state::ServerState,
    response::{Answer, Caching, Entity},
    router::cache_address::CacheAddress,
};

pub(crate) fn get(request: &HttpRequest, state: &ServerState, cache: &Cache) -> Answer {
    let address = CacheAddress::of(request, state, cache);
    let keys: Vec<_> = cache.signer().public_keys().iter().map(ToString::to_string).collect();
    let access = &cache.config.access;
    let issuer = |provider: &OidcProvider| -> Value {
        json!({ "issuer": provider.issuer, "audience": provider.audience })
    };
    let config = json!({
        "url": address.url,
        "pushUrl": address.push_url,
        "publicKeys": keys,
        "storeDir": cache.store.store_dir().as_str(),
        "priority": cache.config.priority,
        "wantMassQuery": cache.config.want_mass_query,
        "needsToken": access.needs_token(),
        "oidc": access.oidc.iter().map(issuer).collect::<Vec<_>>(),
    });
    Entity::new("application/json", Caching::Never)
        .answer_bytes(request.headers(), Bytes::from(format!("{config}\n")))
}
