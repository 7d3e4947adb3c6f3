//! `[expose]` and `[cache.<name>]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{access::RawCacheAccess, signing::RawCacheSigning};

/// Which store paths are shown: those that satisfy everything that is said here. What is shown is closed under references: a path that
/// needs a hidden one is hidden too, and the log names it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawExpose {
    /// Whether everything is shown that `deny` does not hide. With `false`, only what the other keys name. Without named caches it need
    /// not be said.
    pub(crate) everything: Option<bool>,
    /// Only these and what they need: links and profiles (`/nix/var/nix/profiles/system`, `/run/current-system`), which are
    /// followed when they change, store paths, and directories of links; `*` in a component stands for any text. An empty list shows
    /// nothing.
    pub(crate) roots: Option<Vec<String>>,
    /// Only paths whose name, which is what follows the hash, matches one of these patterns, and what they need. `*` stands for any
    /// text, `?` for one character.
    pub(crate) names: Option<Vec<String>>,
    /// Only paths that carry a valid signature by one of these public keys, each `name:base64`, as has all that they need.
    pub(crate) signed_by: Option<Vec<String>>,
    /// Patterns of names that are hidden, such as `*-secrets*` or `*.drv`.
    pub(crate) deny: Vec<String>,
    /// Patterns of names that `deny` does not hide.
    pub(crate) allow: Vec<String>,
}

/// A cache with a host name or a path of its own, which shows the same store in its own way. What it shows must be said in
/// `[cache.<name>.expose]`, and who may read it in `[cache.<name>.access]`.
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
}
