//! Redirects of the cache as a whole, which each request then has to follow.

use super::subject::CacheSubject;
use crate::Outcome;

/// The object that is asked for first.
const CACHE_INFO_NAME: &str = "nix-cache-info";

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let Ok(answer) = cache.info_answer().await else { return Outcome::NotApplicable };
    let moved = answer.url.as_str().strip_suffix(CACHE_INFO_NAME);
    match moved.filter(|moved| answer.status == 200 && *moved != cache.base.as_str()) {
        Some(moved) => Outcome::Hint {
            what: format!("{} redirects to {moved}: each request is sent twice", cache.base),
            mend: format!("nix.conf: extra-substituters = {moved}   # instead of {}", cache.base),
        },
        None => Outcome::NotApplicable,
    }
}
