//! `[expose]` and `[cache.<name>]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{access::RawCacheAccess, signing::RawCacheSigning, upload::RawCacheUpload};

/// The store paths that are shown: those that satisfy every key of this table. They are closed under references: a path that refers
/// to a hidden one is hidden too, and the log names it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawExpose {
    /// Whether every path is shown that `deny` does not hide. With `false`, only paths that the other keys choose. The key may be left out
    /// where there are no named caches.
    pub(crate) everything: Option<bool>,
    /// Only these and their closures: links and profiles (`/nix/var/nix/profiles/system`, `/run/current-system`), which are
    /// followed when they change, store paths, and directories of links; `*` in a component stands for any text. An empty list shows
    /// nothing.
    pub(crate) roots: Option<Vec<String>>,
    /// Only paths whose name (the part after the hash) matches one of these patterns, and their closures. `*` stands for any text, `?`
    /// for one character.
    pub(crate) names: Option<Vec<String>>,
    /// Only paths that have, with their whole closure, a valid signature by one of these public keys, each `name:base64`.
    pub(crate) signed_by: Option<Vec<String>>,
    /// Patterns of names that are hidden, such as `*-secrets*` or `*.drv`.
    pub(crate) deny: Vec<String>,
    /// Patterns of names that `deny` does not hide.
    pub(crate) allow: Vec<String>,
}

/// A cache of the same store with a host name or a path of its own. `[cache.<name>.expose]` must choose the paths that it shows, and
/// `[cache.<name>.access]` the clients that may read it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawCache {
    /// The host names it is known by. Clients keep one password for each host: caches with different tokens need host names of their
    /// own.
    pub(crate) hosts: Vec<String>,
    /// The path it is under, such as `/team-a`: below these host names, or, without `hosts`, below every host name that is not
    /// in `hosts` of a cache without a path. Empty: the whole host.
    pub(crate) path: String,
    /// As `cache_info.priority`.
    pub(crate) priority: Option<i32>,
    /// As `cache_info.want_mass_query`.
    pub(crate) want_mass_query: Option<bool>,
    pub(crate) signing: RawCacheSigning,
    pub(crate) access: RawCacheAccess,
    pub(crate) expose: RawExpose,
    pub(crate) upload: RawCacheUpload,
}
