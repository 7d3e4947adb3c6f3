//! The configuration of caches: which part of the store, signed by which keys, for which clients.

use std::path::PathBuf;

use rns_cache::ExposurePolicy;
use rns_formats::PublicKey;

use crate::config::AccessConfig;

/// All caches of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CachesConfig {
    /// The cache of requests that name no other.
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
    /// Its configuration.
    pub cache: CacheConfig,
}

/// One cache.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheConfig {
    /// `Priority` in `nix-cache-info`: lower is preferred; cache.nixos.org says 40.
    pub priority: i32,
    /// `WantMassQuery` in `nix-cache-info`.
    pub want_mass_query: bool,
    /// Keys, and the policy of signing.
    pub signing: SigningConfig,
    /// Tokens and permissions.
    pub access: AccessConfig,
    /// The paths of the store that are shown.
    pub expose: ExposurePolicy,
    /// Which uploads are admitted.
    pub upload: UploadConfig,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            priority: 50,
            want_mass_query: true,
            signing: SigningConfig::default(),
            access: AccessConfig::default(),
            expose: ExposurePolicy::default(),
            upload: UploadConfig::default(),
        }
    }
}

/// Which uploads are admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadConfig {
    /// Keys of which one must have signed a path that is not content-addressed. Empty: none is required.
    pub require_signature_by: Vec<PublicKey>,
    /// Whether the keys of the cache sign verified paths.
    pub sign: bool,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self { require_signature_by: Vec::new(), sign: true }
    }
}

/// Keys, and the policy of signing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningConfig {
    /// Secret key files, each `<name>:<base64>`.
    pub keys: Vec<PathBuf>,
    /// Which paths are signed, and whether stored signatures are kept.
    pub policy: SigningPolicy,
}

/// Which paths are signed, and whether stored signatures are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SigningPolicy {
    /// Sign everything that is served and keep the stored signatures beside it.
    #[default]
    Add,
    /// Sign everything that is served and drop the stored signatures.
    Replace,
    /// Sign nothing; serve the stored signatures.
    Keep,
    /// Sign only paths that were built on this machine; keep the stored signatures.
    Ultimate,
    /// Sign only paths with a valid signature by one of these keys; keep the stored signatures.
    SignedBy(Vec<PublicKey>),
}

impl SigningPolicy {
    /// The word for it in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Ultimate => "ultimate",
            Self::SignedBy(_) => "signed-by",
        }
    }
}
