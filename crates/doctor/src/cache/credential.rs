//! The credential: is there one, does the cache know it, and does it allow enough?

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{
    Method,
    header::{CONTENT_LENGTH, HeaderMap, HeaderValue},
};
use rns_client::Credentials;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{http::HttpAnswer, subject::CacheSubject};
use crate::{Finding, FindingId, Outcome, machine::netrc::no_credential};

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let answer = match cache.info_answer().await {
        Ok(answer) => answer,
        Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
    };
    if let Some(refused) = refusal(cache, answer, "read") {
        return refused;
    }
    if cache.view.pushes {
        return push(cache).await;
    }
    let seen = if cache.has_credential() { "the cache takes it" } else { "none is needed" };
    Outcome::Sound(seen.to_owned())
}

/// Asks the question of pushers about nothing: it changes nothing and needs the permission to push.
async fn push(cache: &CacheSubject) -> Outcome {
    let url = match cache.below("push/missing") {
        Ok(url) => url,
        Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    match cache.http.send(Method::POST, url, headers, MAX_ANSWER_BYTES).await {
        Err(trouble) => Outcome::Unchecked(trouble.to_string()),
        Ok(answer) => match (refusal(cache, &answer, "push"), answer.status) {
            (Some(refused), _) => refused,
            (None, 200) => Outcome::Sound("the cache takes it, also for pushing".to_owned()),
            (None, status) => Outcome::Unchecked(format!(
                "the cache tells pushers nothing (status {status}): it takes no pushes, or is no server of this program"
            )),
        },
    }
}

/// The outcome where the cache refuses the credential, or asks for one.
fn refusal(cache: &CacheSubject, answer: &HttpAnswer, allow: &str) -> Option<Outcome> {
    let host = cache.base.host_str().unwrap_or_default();
    // A pusher reads first: nix-cache-info, and which paths are there.
    let permissions = if allow == "push" { "read,push" } else { allow };
    let new = format!(
        "rust-nix-serve token create NAME --allow {permissions}   # on the server of {host}"
    );
    let (id, what) = match answer.status {
        401 | 403 | 407 if !cache.has_credential() => {
            let (file, is_named) = &cache.view.netrc;
            return Some(no_credential((file, *is_named), &cache.view.url));
        }
        401 | 407 => match expired(cache, answer) {
            Some(what) => (FindingId::TokenExpired, what),
            // The cache answers both in the same way.
            None => (
                FindingId::CredentialRefused,
                format!(
                    "{} does not know the credential, or a proxy in front of it takes it away",
                    cache.base
                ),
            ),
        },
        403 => (
            FindingId::TokenNotPermitted,
            format!("the credential may not {allow} at {}", cache.base),
        ),
        _ => return None,
    };
    let mend = match id {
        FindingId::CredentialRefused => {
            format!("{new}; or nginx.conf: proxy_set_header Authorization $http_authorization;")
        }
        _ => new,
    };
    Some(Outcome::wrong(Finding::new(id, what, mend)))
}

/// Says that the token is over, where the cache or the token itself tells.
fn expired(cache: &CacheSubject, answer: &HttpAnswer) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body);
    if text.contains("expired") {
        return Some("the token has expired, as the cache says".to_owned());
    }
    let end = claimed_end(&cache.view.credentials)?;
    let end = OffsetDateTime::from_unix_timestamp(end).ok()?;
    (end < OffsetDateTime::now_utc()).then(|| format!("the token expired on {}", end.date()))
}

/// The end of a token of an issuer, as it says itself.
fn claimed_end(credentials: &Credentials) -> Option<i64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let secret = match credentials {
        Credentials::Token(token) | Credentials::Password(_, token) => token,
        Credentials::Anonymous => return None,
    };
    let claims = BASE64_URL_SAFE_NO_PAD.decode(secret.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.exp)
}
