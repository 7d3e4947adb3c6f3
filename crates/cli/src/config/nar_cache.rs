//! Compressed NARs: how, where, how many.

use std::path::PathBuf;

use rns_nix_store::{Codec, NarCacheConfig, Prewarm};

use super::{
    diagnostics::Diagnostics,
    raw::{RawCompression, RawNarCache},
    store::absolute,
};

/// The directory of the cache where neither the configuration nor systemd names one.
const DEFAULT_DIRECTORY: &str = "/var/cache/rust-nix-serve";

/// The compression that narinfos offer.
const fn compression(raw: RawCompression) -> Option<Codec> {
    match raw {
        RawCompression::None => None,
        RawCompression::Zstd => Some(Codec::Zstd),
        RawCompression::Xz => Some(Codec::Xz),
    }
}

/// The NAR cache of `[nar_cache]`. `None` without compression and directory.
pub(super) fn resolve(
    raw: &RawNarCache,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<NarCacheConfig> {
    let directory = absolute("nar_cache.directory", &raw.directory, diagnostics);
    if raw.compression == RawCompression::None && directory.is_none() {
        return None;
    }
    let mut config = NarCacheConfig {
        offer: compression(raw.compression),
        bytes: raw.size.0,
        memory_bytes: raw.memory.in_memory(),
        encoder_memory_bytes: raw.encoder_memory.0,
        grace: raw.grace.0,
        ..NarCacheConfig::new(directory.unwrap_or_else(|| usual_directory(diagnostics)))
    };
    match (compression(raw.compression), raw.level) {
        (_, -1) => {}
        (Some(Codec::Zstd), 1..=19) => {
            config.zstd_level = u8::try_from(raw.level).unwrap_or(config.zstd_level)
        }
        (Some(Codec::Xz), 0..=9) => {
            config.xz_level = u8::try_from(raw.level).unwrap_or(config.xz_level)
        }
        (Some(Codec::Zstd), level) => {
            diagnostics.problem(
                "nar_cache.level",
                format!("zstd has no level {level} here"),
                "expected 1 to 19",
            );
        }
        (Some(Codec::Xz), level) => {
            diagnostics.problem(
                "nar_cache.level",
                format!("xz has no level {level}"),
                "expected 0 to 9",
            );
        }
        (None, _) => diagnostics.warn("nar_cache.level means nothing with the compression `none`"),
    }
    if raw.size.0 == 0 {
        let hint = "write `compression = \"none\"` to compress nothing";
        diagnostics.problem("nar_cache.size", "0 would hold nothing", hint);
    }
    Some(config)
}

/// The NARs that are compressed before a client asks for them.
pub(super) fn prewarm(raw: &RawNarCache, diagnostics: &mut Diagnostics<'_>) -> Prewarm {
    let key = "nar_cache.prewarm_roots";
    let roots =
        raw.prewarm_roots.iter().filter_map(|root| absolute(key, root, diagnostics)).collect();
    let prewarm = Prewarm { roots, new_paths: raw.prewarm_new };
    if raw.compression == RawCompression::None && prewarm != Prewarm::default() {
        diagnostics.warn("nothing is compressed in advance with the compression `none`");
    }
    prewarm
}

/// systemd lists several directories with colons between them.
fn usual_directory(diagnostics: &Diagnostics<'_>) -> PathBuf {
    let given = diagnostics.environment.get("CACHE_DIRECTORY").unwrap_or_default();
    match given.split(':').next() {
        Some(first) if first.starts_with('/') => first.into(),
        _ => DEFAULT_DIRECTORY.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{load_with, refusal};
    use super::*;

    fn cache(text: &str, variables: &[(&str, &str)]) -> Option<NarCacheConfig> {
        load_with(text, variables, &[]).unwrap().store.nar_cache
    }

    #[test]
    fn nothing_is_compressed_by_default() {
        assert_eq!(cache("", &[("CACHE_DIRECTORY", "/var/cache/x")]), None);
        let usual = NarCacheConfig {
            offer: Some(Codec::Zstd),
            ..NarCacheConfig::new(DEFAULT_DIRECTORY.into())
        };
        assert_eq!(cache("[nar_cache]\ncompression = \"zstd\"\n", &[]), Some(usual));
    }

    #[test]
    fn the_directory_is_the_one_named_then_that_of_systemd() {
        let variables = [("CACHE_DIRECTORY", "/var/cache/x:/var/cache/y")];
        let text = "[nar_cache]\ncompression = \"xz\"\n";
        assert_eq!(cache(text, &variables).unwrap().directory, Path::new("/var/cache/x"));
        let text = "[nar_cache]\ndirectory = \"/mnt/nars\"\n";
        assert_eq!(cache(text, &variables).unwrap().directory, Path::new("/mnt/nars"));
    }

    #[test]
    fn bounds_and_levels_are_passed_on() {
        let text = "[nar_cache]\ncompression = \"xz\"\nlevel = 9\nsize = \"1GiB\"\nmemory = \"1MiB\"\n\
                    encoder_memory = \"2GiB\"\ngrace = \"1m\"\n";
        let cache = cache(text, &[]).unwrap();
        assert_eq!((cache.xz_level, cache.zstd_level), (9, 3));
        assert_eq!(
            (cache.bytes, cache.memory_bytes, cache.encoder_memory_bytes),
            (1 << 30, 1 << 20, 2 << 30)
        );
        assert_eq!(cache.grace.as_secs(), 60);
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, complaint) in [
            ("compression = \"zstd\"\nlevel = 20", "zstd has no level 20"),
            ("compression = \"zstd\"\nlevel = 0", "zstd has no level 0"),
            ("compression = \"xz\"\nlevel = 10", "xz has no level 10"),
            ("compression = \"zstd\"\nsize = \"0\"", "0 would hold nothing"),
            ("compression = \"gzip\"", "one of \"none\", \"zstd\", \"xz\""),
            ("directory = \"nars\"", "not an absolute path"),
        ] {
            let said = refusal(&format!("[nar_cache]\n{text}\n"));
            assert!(said.contains(complaint), "{said}");
        }
    }
}
