//! `/pubkey`: the public keys that sign here, one on each line, as `trusted-public-keys` takes them.

use std::fmt::Write as _;

use actix_web::HttpRequest;
use bytes::Bytes;

use crate::{
    caches::cache::Cache,
    response::{Answer, Caching, Entity},
};

pub(crate) fn get(request: &HttpRequest, cache: &Cache) -> Answer {
    let text = cache.signer().public_keys().iter().fold(String::new(), |mut text, key| {
        let _ = writeln!(text, "{key}");
        text
    });
    Entity::new("text/plain; charset=utf-8", Caching::Never)
        .answer_bytes(request.headers(), Bytes::from(text))
}
