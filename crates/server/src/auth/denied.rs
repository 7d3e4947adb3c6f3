//! The answers to those who may not.

use actix_web::http::{
    StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};

use crate::{
    caches::registry::Cache,
    life_cycle::state::State,
    response::{self, Answer},
};

/// Why a request does not get what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It is not known who asks.
    Nobody,
    /// What was shown is no good.
    Wrong,
    /// It is known who asks, and that this is not allowed.
    Forbidden,
    /// It cannot be known who asks, since the file of tokens cannot be used, or an issuer not be asked.
    Undetermined,
}

/// The answer to those who may not. To a wrong credential it comes late.
pub(crate) async fn answer(refusal: Denied, state: &State, view: &Cache) -> Answer {
    match refusal {
        Denied::Nobody => unauthorised(view),
        Denied::Wrong => {
            state.failure_policy.delay().await;
            unauthorised(view)
        }
        Denied::Forbidden => {
            response::plain(StatusCode::FORBIDDEN, "not allowed with this token or certificate\n")
        }
        // A refusal would be remembered by clients, and this passes.
        Denied::Undetermined => response::unavailable("tokens cannot be checked at the moment\n"),
    }
}

/// Nix up to 2.34 takes this for a missing path, and remembers that for an hour; later versions for what it is. With
/// `nix-cache-info` both end.
fn unauthorised(view: &Cache) -> Answer {
    let mut answer = response::plain(StatusCode::UNAUTHORIZED, "a token is needed\n");
    answer.headers_mut().insert(WWW_AUTHENTICATE, view.challenge.clone());
    answer
}

/// The header `WWW-Authenticate` of a cache.
pub(crate) fn challenge(cache: Option<&str>) -> HeaderValue {
    let realm = cache.unwrap_or("binary cache");
    HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic realm=\"binary cache\""))
}
