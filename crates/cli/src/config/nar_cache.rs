//! Compressed NARs: how, where, how many.

use std::path::PathBuf;

use rns_nix_store::{Codec, NarCacheConfig, Prewarm};

use super::{
    diagnostics::Diagnostics,
    env::Environment,
    raw::{RawCompression, RawNarCache},
    store::absolute,
};

/// The directory of the cache where a compression is written, and nothing names a directory.
const DEFAULT_CACHE_DIRECTORY: &str = "/var/cache/rust-nix-serve";

/// The directory below the caches of a user.
const DIRECTORY_OF_A_USER: &str = "rust-nix-serve";

/// By default NARs are compressed where the results can be kept: made anew for each download, they would cost this
/// machine more than they give to the client.
const fn compression(raw: RawCompression, has_directory: bool) -> Option<Codec> {
    match raw {
        RawCompression::Auto if has_directory => Some(Codec::Zstd),
        RawCompression::Auto | RawCompression::None => None,
        RawCompression::Zstd => Some(Codec::Zstd),
        RawCompression::Xz => Some(Codec::Xz),
    }
}

/// The NAR cache of `[nar_cache]`. `None` without compression and directory.
pub(super) fn resolve(
    raw: &RawNarCache,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<NarCacheConfig> {
    let written = absolute("nar_cache.directory", &raw.directory, diagnostics);
    if !is_there(raw, diagnostics) {
        return None;
    }
    let offer = offered(raw, diagnostics);
    let directory = written.or_else(|| usual_directory(diagnostics.environment));
    let mut config = NarCacheConfig {
        offer,
        bytes: raw.size.0,
        memory_bytes: raw.memory.in_memory(),
        encoder_memory_bytes: raw.encoder_memory.0,
        grace: raw.grace.0,
        ..NarCacheConfig::new(directory.unwrap_or_else(|| DEFAULT_CACHE_DIRECTORY.into()))
    };
    match (offer, raw.level) {
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
    if offered(raw, diagnostics).is_none() && prewarm != Prewarm::default() {
        diagnostics.warn("nothing is compressed in advance with the compression `none`");
    }
    prewarm
}

/// Whether there is a NAR cache.
pub(super) fn is_there(raw: &RawNarCache, diagnostics: &Diagnostics<'_>) -> bool {
    offered(raw, diagnostics).is_some() || !raw.directory.is_empty()
}

/// The compression that narinfos offer.
fn offered(raw: &RawNarCache, diagnostics: &Diagnostics<'_>) -> Option<Codec> {
    let usual = || usual_directory(diagnostics.environment);
    compression(raw.compression, !raw.directory.is_empty() || usual().is_some())
}

/// The directory that systemd has made, or the one of a user who runs the program on a terminal.
fn usual_directory(environment: &Environment) -> Option<PathBuf> {
    // systemd lists several directories with colons between them.
    let of_systemd = environment.get("CACHE_DIRECTORY").and_then(|given| given.split(':').next());
    let of_user = || {
        let caches = environment.get("XDG_CACHE_HOME").map(PathBuf::from);
        let home = environment.get("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let caches = caches.filter(|caches| caches.is_absolute()).or(home)?;
        environment.is_of_a_user_at_a_terminal().then(|| caches.join(DIRECTORY_OF_A_USER))
    };
    of_systemd.map(PathBuf::from).or_else(of_user).filter(|directory| directory.is_absolute())
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
    fn zstd_is_the_default_where_there_is_a_directory_and_none_elsewhere() {
        let zstd = |directory: &str| {
            let config = NarCacheConfig::new(directory.into());
            Some(NarCacheConfig { offer: Some(Codec::Zstd), ..config })
        };
        let none = "[nar_cache]\ncompression = \"none\"\n";
        assert_eq!(cache("", &[("HOME", "/home/ann")]), None);
        let systemd = [("CACHE_DIRECTORY", "/var/cache/x")];
        assert_eq!(cache("", &systemd), zstd("/var/cache/x"));
        assert_eq!(cache(none, &systemd), None);
        assert_eq!(cache("[nar_cache]\ndirectory = \"/mnt/nars\"\n", &[]), zstd("/mnt/nars"));
        let written = "[nar_cache]\ncompression = \"zstd\"\n";
        assert_eq!(cache(written, &[]), zstd(DEFAULT_CACHE_DIRECTORY));
    }

    #[test]
    fn on_a_terminal_compressed_nars_are_kept_among_the_caches_of_the_user() {
        let directory = |variables: &[(&str, &str)]| {
            let variables =
                variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            usual_directory(&variables.collect::<Environment>().at_a_terminal())
        };
        let home = ("HOME", "/home/ann");
        assert_eq!(directory(&[home]), Some("/home/ann/.cache/rust-nix-serve".into()));
        assert_eq!(
            directory(&[home, ("XDG_CACHE_HOME", "/caches")]),
            Some("/caches/rust-nix-serve".into())
        );
        assert_eq!(
            directory(&[home, ("XDG_CACHE_HOME", "caches")]),
            Some("/home/ann/.cache/rust-nix-serve".into())
        );
        assert_eq!(directory(&[]), None);
        // A unit of systemd with a terminal is no user.
        assert_eq!(directory(&[home, ("NOTIFY_SOCKET", "/run/x")]), None);
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
            ("compression = \"gzip\"", "one of \"auto\", \"none\", \"zstd\", \"xz\""),
            ("directory = \"nars\"", "not an absolute path"),
        ] {
            let said = refusal(&format!("[nar_cache]\n{text}\n"));
            assert!(said.contains(complaint), "{said}");
        }
    }
}
