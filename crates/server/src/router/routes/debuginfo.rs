//! `/debuginfo/<build id>.debug`: which NAR holds the debug information of a program, in the form that
//! Nix's own `index-debug-info` leaves in a cache.

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_formats::{
    Compression,
    url::{BuildId, NarName},
};
use serde_json::json;

use crate::{
    caches::registry::Cache,
    response::{self, Answer, Caching, Entity, error::error_response},
};

pub(crate) async fn get(request: &HttpRequest, view: &Cache, id: &BuildId) -> Answer {
    let file = match view.store.debuginfo(id).await {
        Ok(Some(file)) => file,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let name = NarName::new(file.info.path.hash_part(), file.info.nar_hash, Compression::None);
    let text = json!({ "archive": format!("../{}", name.canonical_url()), "member": file.member })
        .to_string();
    Entity::new("application/json", Caching::Hour)
        .with_etag(response::etag(format_args!("debuginfo-{}", file.info.nar_hash.to_nix32())))
        .answer_bytes(request.headers(), Bytes::from(text))
}
