//! Connections that stay open.

use reqwest::header::CONNECTION;

use super::subject::CacheSubject;
use crate::{Finding, FindingId, Outcome};

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let answer = match cache.info_answer().await {
        Ok(answer) => answer,
        Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
    };
    let says_close =
        answer.header(CONNECTION).is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if !says_close {
        return Outcome::Sound("connections are kept".to_owned());
    }
    Outcome::wrong(Finding::new(
        FindingId::KeepAliveOff,
        "the cache, or a proxy in front of it, closes the connection after each answer",
        "nginx.conf: keepalive_timeout 75s;   # in the server block",
    ))
}
