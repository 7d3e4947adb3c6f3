//! What a cache is: which part of the store, signed by whom, for whom.

use rns_cache::ExposurePolicy;

use crate::config::{AccessConfig, SigningConfig};

/// All caches of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CachesConfig {
    /// What is answered where no cache with a name is meant.
    pub default: CacheConfig,
    /// Caches with a host name or a path of their own.
    pub named: Vec<NamedCache>,
}

impl CachesConfig {
    /// All of them, each with its name in the configuration.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &CacheConfig)> {
        let named = self.named.iter().map(|named| (Some(named.name.as_str()), &named.cache));
        std::iter::once((None, &self.default)).chain(named)
    }
}

/// A cache with a host name or a path of its own; with both, it is at that path of that host.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedCache {
    /// Its name in the configuration.
    pub name: String,
    /// Host names without a port, in lower case. Empty: any.
    pub hosts: Vec<String>,
    /// The path it is under: `/team-a`, without a slash at the end. None: the whole host.
    pub path: Option<String>,
    /// What it is.
    pub cache: CacheConfig,
}

/// One cache.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheConfig {
    /// `Priority` in `nix-cache-info`: lower is preferred; cache.nixos.org says 40.
    pub priority: i32,
    /// `WantMassQuery` in `nix-cache-info`.
    pub want_mass_query: bool,
    /// Which keys sign what.
    pub signing: SigningConfig,
    /// Who may do what.
    pub access: AccessConfig,
    /// What is shown of the store.
    pub expose: ExposurePolicy,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            priority: 50,
            want_mass_query: true,
            signing: SigningConfig::default(),
            access: AccessConfig::default(),
            expose: ExposurePolicy::default(),
        }
    }
}
