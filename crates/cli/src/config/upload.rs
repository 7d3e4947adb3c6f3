//! Which uploads are admitted.

use rns_server::config::UploadConfig;
use rns_storage::{
    objects::StorageUrl,
    write::{DirectUploads, UploadLimits},
};
use url::Url;

use super::{
    diagnostics::Diagnostics,
    expose::public_keys,
    raw::{RawCacheUpload, RawUpload},
};

/// The uploads that the cache of a table admits; a cache with a name has the general values where its own table says nothing.
pub(super) fn of_cache(
    own: &RawCacheUpload,
    general: &RawUpload,
    table: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> UploadConfig {
    let keys = own.require_signature_by.as_ref();
    let (keys, table) = keys.map_or((&general.require_signature_by, "upload"), |own| (own, table));
    let key = format!("{table}.require_signature_by");
    UploadConfig {
        require_signature_by: public_keys(keys, &key, diagnostics),
        sign: own.sign.unwrap_or(general.sign),
    }
}

/// Memory for one decoder of NARs that clients compress with xz by default, in bytes.
const MIN_DECODER_MEMORY: u64 = 10 << 20;

/// How much is taken.
pub(super) fn limits(raw: &RawUpload, diagnostics: &mut Diagnostics<'_>) -> UploadLimits {
    if raw.max_nar_size.0 == 0 {
        diagnostics.problem("upload.max_nar_size", "0 would refuse every upload", "");
    }
    if raw.decoder_memory.0 < MIN_DECODER_MEMORY {
        let hint = "expected at least 10MiB";
        diagnostics.problem("upload.decoder_memory", "too little for one decoder of xz", hint);
    }
    UploadLimits { max_nar_size: raw.max_nar_size.0, decoder_memory: raw.decoder_memory.0 }
}

/// Which NARs clients send to the bucket themselves.
pub(super) fn direct(
    raw: &RawUpload,
    storage: &StorageUrl,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<DirectUploads> {
    if raw.direct && matches!(storage, StorageUrl::Directory(_)) {
        diagnostics.warn("upload.direct means nothing for a directory in storage.url");
        return None;
    }
    raw.direct.then_some(DirectUploads { min_bytes: raw.direct_min_size.0 })
}

/// The caches that clients always have.
pub(super) fn upstreams(raw: &RawUpload, diagnostics: &mut Diagnostics<'_>) -> Vec<Url> {
    let mut found = Vec::new();
    for text in &raw.assume_upstream {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                found.push(url);
            }
            _ => diagnostics.problem(
                "upload.assume_upstream",
                format!("`{text}` is not the URL of a cache"),
                "expected something like https://cache.nixos.org",
            ),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load_with;

    const KEY: &str = "ci-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";

    #[test]
    fn a_named_cache_has_the_general_policy_unless_it_says_otherwise() {
        let cache = |name: &str, more: &str| {
            format!(
                "[cache.{name}]\npath = \"/{name}\"\nexpose.everything = true\naccess.anonymous = [\"read\"]\n{more}\n"
            )
        };
        let file = format!(
            "[expose]\neverything = true\n[upload]\nrequire_signature_by = [\"{KEY}\"]\nsign = false\n{}{}",
            cache("a", ""),
            cache("b", "upload.require_signature_by = []\nupload.sign = true"),
        );
        let caches = load_with(&file, &[], &[]).unwrap().server.caches;
        let policies: Vec<_> = caches.all().map(|(_, cache)| cache.upload.clone()).collect();
        assert_eq!(policies[0], policies[1]);
        assert_eq!(policies[0].require_signature_by.len(), 1);
        assert!(!policies[0].sign);
        assert!(policies[2].require_signature_by.is_empty() && policies[2].sign);
    }

    #[test]
    fn upstreams_are_caches_and_a_limit_lets_something_through() {
        let file = "[storage]\nurl = \"s3://x\"\n[upload]\nassume_upstream = [\"cache.nixos.org\", \"s3://x\"]\nmax_nar_size = 0\n";
        let said = load_with(file, &[], &[]).unwrap_err().to_string();
        assert_eq!(said.matches("upload.assume_upstream").count(), 2, "{said}");
        assert!(said.contains("upload.max_nar_size"), "{said}");
    }
}
