//! The answers to requests that are not allowed.

use actix_web::http::{
    StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};

use super::{FailurePolicy, Permission, Undetermined};
use crate::response::{self, Answer};

/// Why a request is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The client shows no credential.
    NoCredential,
    /// The credential is no good.
    WrongCredential,
    /// The credential was good until some time ago.
    ExpiredCredential,
    /// The client is known, and lacks this permission.
    Forbidden(Permission),
    /// The client cannot be known now.
    Undetermined(Undetermined),
}

/// The answer, with the header `WWW-Authenticate` of the cache. To a wrong credential it comes late.
pub(crate) async fn answer(
    denied: Denied,
    failure_policy: &FailurePolicy,
    challenge: &HeaderValue,
) -> Answer {
    match denied {
        Denied::NoCredential => unauthorised(challenge, "a token is needed\n"),
        Denied::WrongCredential => {
            failure_policy.delay().await;
            unauthorised(challenge, "a token is needed\n")
        }
        // Its holder had it once, so that this tells nothing to those who guess.
        Denied::ExpiredCredential => {
            failure_policy.delay().await;
            unauthorised(challenge, "the token has expired\n")
        }
        Denied::Forbidden(lacking) => {
            let lacking = lacking.name();
            let text = format!("this token or certificate lacks the permission {lacking}\n");
            response::plain(StatusCode::FORBIDDEN, text)
        }
        // A refusal would be remembered by clients, and this passes.
        Denied::Undetermined(_) => {
            response::unavailable("tokens cannot be checked at the moment\n")
        }
    }
}

/// Nix up to 2.34 takes this for a missing path, and remembers that for an hour; later versions take it for a refusal. With
/// `nix-cache-info` both end.
fn unauthorised(challenge: &HeaderValue, phrase: &'static str) -> Answer {
    let mut answer = response::plain(StatusCode::UNAUTHORIZED, phrase);
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
    answer
}

/// The header `WWW-Authenticate` of a cache.
pub(crate) fn challenge(cache: Option<&str>) -> HeaderValue {
    let realm = cache.unwrap_or("binary cache");
    HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic realm=\"binary cache\""))
}
