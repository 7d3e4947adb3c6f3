//! The answers to those who may not.

use actix_web::http::{
    StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};

use crate::{
    answer::{self, Answer},
    views::View,
};

/// It is not known who asks. Nix up to 2.34 takes this for a missing path, and remembers that for an hour; later
/// versions for what it is. With `nix-cache-info` both end.
pub(crate) fn unauthorised(view: &View) -> Answer {
    let mut answer = answer::plain(StatusCode::UNAUTHORIZED, "a token is needed\n");
    answer.headers_mut().insert(WWW_AUTHENTICATE, view.challenge.clone());
    answer
}

/// It is known who asks, and that this is not allowed.
pub(crate) fn forbidden() -> Answer {
    answer::plain(StatusCode::FORBIDDEN, "not allowed with this token\n")
}

/// The header `WWW-Authenticate` of a cache.
pub(crate) fn challenge(cache: Option<&str>) -> HeaderValue {
    let realm = cache.unwrap_or("binary cache");
    HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic realm=\"binary cache\""))
}
