//! `/debuginfo/<build id>.debug`: which NAR holds the debug information of a program, in the form that
//! Nix's own `index-debug-info` leaves in a cache.

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_formats::{Sha256Digest, url::BuildId};
use serde_json::json;

use crate::{
    caches::cache::Cache,
    response::{self, Answer, Caching, Entity, error_response},
};

pub(crate) async fn get(request: &HttpRequest, cache: &Cache, id: &BuildId) -> Answer {
    let found = match cache.store.debug_info(id).await {
        Ok(Some(found)) => found,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let text = json!({ "archive": found.archive, "member": found.member }).to_string();
    let digest = Sha256Digest::of(text.as_bytes()).to_nix32();
    Entity::new("application/json", Caching::Hour)
        .with_etag(response::etag(format_args!("debuginfo-{digest}")))
        .answer_bytes(request.headers(), Bytes::from(text))
}
