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
    answer::{self, Answer, Caching, Entity},
    refusal::refuse,
    views::View,
};

pub(crate) async fn get(request: &HttpRequest, view: &View, id: &BuildId) -> Answer {
    let file = match view.store.debuginfo(id).await {
        Ok(Some(file)) => file,
        Ok(None) => return answer::not_found(),
        Err(error) => return refuse(&error),
    };
    let name = NarName::new(file.info.path.hash_part(), file.info.nar_hash, Compression::None);
    let text = json!({ "archive": format!("../{}", name.canonical_url()), "member": file.member })
        .to_string();
    Entity::new("application/json", Caching::Hour)
        .with_etag(answer::etag(format_args!("debuginfo-{}", file.info.nar_hash.to_nix32())))
        .answer_bytes(request.headers(), Bytes::from(text))
}
