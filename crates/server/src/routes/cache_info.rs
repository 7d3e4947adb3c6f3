//! `/nix-cache-info`: what a client asks first. Always answered, whatever becomes of the store: a client
//! takes an error here for "no binary cache at all".

use actix_web::HttpRequest;

use crate::{
    answer::{Answer, Caching, Entity},
    state::State,
};

pub(crate) fn get(request: &HttpRequest, state: &State) -> Answer {
    Entity::new("text/x-nix-cache-info", Caching::Hour)
        .answer_bytes(request.headers(), state.cache_info.clone())
}
