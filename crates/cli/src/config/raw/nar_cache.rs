//! `[nar_cache]` and `[nginx]`.

use std::path::PathBuf;

use rns_nix_store::NarCacheConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, Span};

/// Compressed NARs: each is compressed once and kept in a directory, within a bound.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawNarCache {
    /// How NARs are compressed for clients. The uncompressed ones can always be had as well, and while there is a
    /// cache so can those of the other compression, whose URLs clients remember for a month.
    pub(crate) compression: RawCompression,
    /// Level of the compression, 1 to 19 for zstd and 0 to 9 for xz; -1 is the usual one, 3 or 6.
    pub(crate) level: i32,
    /// Where compressed NARs are kept; nothing else may be in there. Empty is `$CACHE_DIRECTORY` (systemd's
    /// `CacheDirectory=`), or else, on a terminal, `rust-nix-serve` in `$XDG_CACHE_HOME` or in `~/.cache`, or else
    /// `/var/cache/rust-nix-serve`. With the compression `none` there is a cache only when this is set.
    pub(crate) directory: String,
    /// The most bytes that the directory may take; the files that were unused for the longest time go first. A larger NAR is
    /// never compressed.
    pub(crate) size: ByteSize,
    /// Memory for compressed NARs of at most 64 KiB.
    pub(crate) memory: ByteSize,
    /// Memory that the encoders of one compression may take together for large NARs; more wait their turn. zstd
    /// takes 6 MiB at its usual level, xz 95.
    pub(crate) encoder_memory: ByteSize,
    /// Profiles, other links into the store, or directories of such links. The NARs of their closures are compressed while
    /// there is nothing else to do, as far as there is room for them.
    pub(crate) prewarm_roots: Vec<String>,
    /// Whether the NARs of paths that are registered while the server runs are compressed in the same way.
    pub(crate) prewarm_new: bool,
    /// Time that a compression goes on without a reader: the last one may come back for the rest.
    pub(crate) grace: Span,
}

/// How NARs are compressed for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawCompression {
    /// zstd where a directory of compressed NARs is named by `directory`, by systemd, or by running on a terminal;
    /// none elsewhere
    Auto,
    /// not at all: the least work for this machine, the most for the network
    None,
    /// Zstandard, which every Nix since 2.4 reads
    Zstd,
    /// xz: smaller, and twenty times the work
    Xz,
}

/// An nginx in front. It is believed when it says who a client is, and can send compressed NARs from the directory of the
/// NAR cache itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawNginx {
    /// The entry of `listen` that only nginx connects to; another program that can connect there can pretend to be any client.
    /// Among sockets passed by systemd it is the one named `nginx`.
    pub(crate) listen: String,
    /// The `internal` location under which nginx has the directory of the NAR cache, such as `/nar-cache/`. Empty: nginx
    /// gets every byte from this server.
    pub(crate) location: String,
}

impl Default for RawNarCache {
    fn default() -> Self {
        let cache = NarCacheConfig::new(PathBuf::new());
        Self {
            compression: RawCompression::Auto,
            level: -1,
            directory: String::new(),
            size: ByteSize(cache.bytes),
            memory: ByteSize::of(cache.memory_bytes),
            encoder_memory: ByteSize(cache.encoder_memory_bytes),
            prewarm_roots: Vec::new(),
            prewarm_new: false,
            grace: Span(cache.grace),
        }
    }
}
