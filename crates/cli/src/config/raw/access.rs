//! `[access]`, for the cache without a name and for named ones.

use std::collections::BTreeMap;

use rns_server::config::{AccessConfig, FailurePolicyConfig, Permission, Permissions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Span;

/// Permissions of clients. A permission is `read`, `metrics`, `push` (uploads to the storage), `pin` (roots, which keep pushed
/// paths) or `delete` (removing pushed paths).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawAccess {
    /// Permissions of clients that show neither a token nor a certificate. An empty list makes the cache private. Beside `tokens`,
    /// `subjects` or issuers the key must be written.
    pub(crate) anonymous: Vec<String>,
    /// The file of tokens, one on each line as `rust-nix-serve token create` prints them; it is read again when it
    /// changes. Relative names as in `signing.keys`.
    pub(crate) tokens: String,
    /// Permissions of client certificates: permissions with commas between them, a colon, and the attributes that the subject
    /// of the certificate must have, such as `read: CN=ci,O=Example`; it may have more. See `tls.client_ca`.
    pub(crate) subjects: Vec<String>,
    /// Addresses and networks (`10.0.0.0/8`) of proxies that are believed when they say in `X-Forwarded-For` who the client
    /// is. A program that connects to the listener of `nginx.listen` is always believed.
    #[schemars(extend("x-reload" = false))]
    pub(crate) trusted_proxies: Vec<String>,
    /// Delay of the answer to a wrong credential. The answer to a good one is never delayed.
    #[schemars(extend("x-reload" = false))]
    pub(crate) failure_delay: Span,
    pub(crate) oidc: BTreeMap<String, RawOidc>,
}

/// Permissions of clients of this cache. Nothing is inherited from `[access]`: without a key here, no client may do anything.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawCacheAccess {
    /// Permissions of clients that show neither a token nor a certificate; `["read"]` makes the cache public.
    pub(crate) anonymous: Vec<String>,
    /// The file of tokens of this cache, as `access.tokens`. Several caches may name the same file.
    pub(crate) tokens: String,
    /// Permissions of client certificates, as `access.subjects`.
    pub(crate) subjects: Vec<String>,
    pub(crate) oidc: BTreeMap<String, RawOidc>,
}

/// A service that issues short-lived tokens (OpenID Connect), such as GitHub Actions or GitLab.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawOidc {
    /// The issuer as its tokens name it, such as `https://token.actions.githubusercontent.com`. Its keys are fetched from there.
    pub(crate) issuer: String,
    /// The audience that the tokens must be made for.
    pub(crate) audience: String,
    /// Claims that a token must have, each `claim=value`; in the value `*` stands for any text and `?` for one character. At least
    /// one is needed, because any user of a public service can get a token of it.
    pub(crate) claims: Vec<String>,
    /// Permissions of such tokens.
    pub(crate) allow: Vec<String>,
    /// Certificates, PEM, that vouch for the server of the issuer instead of those of the public web. Relative names as in
    /// `signing.keys`.
    pub(crate) ca: String,
}

impl Default for RawAccess {
    fn default() -> Self {
        Self {
            anonymous: names(AccessConfig::default().anonymous),
            tokens: String::new(),
            subjects: Vec::new(),
            trusted_proxies: Vec::new(),
            failure_delay: Span(FailurePolicyConfig::default().failure_delay),
            oidc: BTreeMap::new(),
        }
    }
}

fn names(permissions: Permissions) -> Vec<String> {
    let given = Permission::ALL.into_iter().filter(|permission| permissions.has(*permission));
    given.map(|permission| permission.name().to_owned()).collect()
}
