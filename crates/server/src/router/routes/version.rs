//! `/version`: which program answers.

use actix_web::HttpRequest;
use bytes::Bytes;

use crate::response::{Answer, Caching, Entity};

const TEXT: &str = concat!("rust-nix-serve ", env!("CARGO_PKG_VERSION"), "\n");

pub(crate) fn get(request: &HttpRequest) -> Answer {
    Entity::new("text/plain; charset=utf-8", Caching::Never)
        .answer_bytes(request.headers(), Bytes::from_static(TEXT.as_bytes()))
}
