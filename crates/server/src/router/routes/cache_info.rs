//! `/nix-cache-info`: what a client asks first. Always answered, whatever becomes of the store: a client
//! takes an error here for "no binary cache at all".

use actix_web::HttpRequest;

use crate::{
    caches::registry::Cache,
    response::{Answer, Caching, Entity},
};

pub(crate) fn get(request: &HttpRequest, view: &Cache) -> Answer {
    Entity::new("text/x-nix-cache-info", Caching::Hour)
        .answer_bytes(request.headers(), view.cache_info.clone())
}
