//! The query of a URL, which a proxy must pass on and keep answers apart by.
//!
//! A server of this program answers `?json` with a narinfo as JSON. Others may ignore the query: then nothing can be said.

use rns_formats::MAX_NARINFO_BYTES;
use serde_json::Value;

use super::{
    http::{HttpAnswer, Trouble},
    subject::CacheSubject,
};
use crate::{Finding, FindingId, Outcome};

/// The longest name of a program, in bytes.
const MAX_VERSION_BYTES: usize = 4 << 10;

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let hash = match cache.usable_narinfo().await {
        Ok((hash, _)) => hash,
        Err(outcome) => return outcome,
    };
    // The narinfo itself was asked for before, so that a proxy that leaves out the query when it keeps answers has it.
    let answer = match ask(cache, &format!("{hash}.narinfo?json"), MAX_NARINFO_BYTES).await {
        Ok(answer) => answer,
        Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
    };
    match answer.status {
        200 if is_object(&answer.body) => Outcome::Sound("queries reach the cache".to_owned()),
        200 if is_of_this_program(cache).await => Outcome::wrong(Finding::new(
            FindingId::QueryLost,
            format!("{}{hash}.narinfo?json is answered as if it had no query", cache.base),
            "nginx.conf: proxy_pass http://UPSTREAM$request_uri;   # and proxy_cache_key with $request_uri",
        )),
        _ => Outcome::NotApplicable,
    }
}

async fn ask(cache: &CacheSubject, name: &str, limit: usize) -> Result<HttpAnswer, Trouble> {
    cache.http.get(cache.below(name)?, limit).await
}

fn is_object(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object())
}

/// Returns true where this program says that it answers.
async fn is_of_this_program(cache: &CacheSubject) -> bool {
    let answer = ask(cache, "version", MAX_VERSION_BYTES).await;
    answer.is_ok_and(|answer| answer.status == 200 && answer.body.starts_with(b"rust-nix-serve "))
}
