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
use crate::{Finding, FindingId, Outcome, machine::netrc::credential_missing};

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let answer = match cache.info_answer().await {
        Ok(answer) => answer,
        Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
    };
    if let Some(finding) = refusal(cache, answer, "read") {
        return Outcome::wrong(finding);
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
            (Some(finding), _) => Outcome::wrong(finding),
            (None, 200) => Outcome::Sound("the cache takes it, also for pushing".to_owned()),
            (None, status) => Outcome::Unchecked(format!(
                "the cache tells pushers nothing (status {status}): it takes no pushes, or is no server of this program"
            )),
        },
    }
}

fn refusal(cache: &CacheSubject, answer: &HttpAnswer, allow: &str) -> Option<Finding> {
    let host = cache.base.host_str().unwrap_or_default();
    // A pusher reads first: nix-cache-info, and which paths are there.
    let permissions = if allow == "push" { "read,push" } else { allow };
    let new = format!(
        "rust-nix-serve token create NAME --allow {permissions}   # on the server of {host}"
    );
    match answer.status {
        401 | 403 | 407 if !cache.has_credential() => {
            Some(credential_missing(&cache.view.netrc, &cache.view.url))
        }
        401 | 407 => Some(match expired(cache, answer) {
            Some(what) => Finding::new(FindingId::TokenExpired, what, new),
            None => Finding::new(
                FindingId::CredentialRefused,
                format!("{} does not know the credential, or no longer", cache.base),
                new,
            ),
        }),
        403 => Some(Finding::new(
            FindingId::TokenNotPermitted,
            format!("the credential may not {allow} at {}", cache.base),
            new,
        )),
        _ => None,
    }
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
