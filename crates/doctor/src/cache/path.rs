//! The path that the cache is tried with.

use super::{
    discovery::{DiscoveryError, FoundNarInfo},
    subject::CacheSubject,
};
use crate::Outcome;

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    match cache.narinfo().await {
        Ok(FoundNarInfo { hash, narinfo }) => {
            let path = narinfo.as_ref().map(|narinfo| narinfo.store_path.to_string());
            let path = path.unwrap_or_else(|_| hash.to_string());
            Outcome::Sound(format!("the cache is tried with {path}"))
        }
        Err(DiscoveryError::NoPath) => Outcome::Hint {
            what: "no path of the cache is known: signatures, NARs and ranges were not looked at"
                .to_owned(),
            mend: format!(
                "rust-nix-serve doctor {} --path STOREPATH   # one that is in the cache",
                cache.base
            ),
        },
        Err(error) => Outcome::Unchecked(error.to_string()),
    }
}
