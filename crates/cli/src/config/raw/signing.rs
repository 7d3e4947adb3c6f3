//! `[signing]`, for all caches and for one.

use rns_server::config::SigningPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signatures.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawSigning {
    /// Secret key files, each of which signs. A relative name is looked for in `$CREDENTIALS_DIRECTORY` (systemd's
    /// `LoadCredential=`) where that is set, otherwise in the working directory.
    pub(crate) keys: Vec<String>,
    /// The paths that are signed, and the fate of the signatures that the store holds.
    pub(crate) policy: RawPolicy,
    /// For the policy `signed-by`: the public keys, each `name:base64`.
    pub(crate) signed_by: Vec<String>,
}

/// The paths that are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawPolicy {
    /// every served path, beside the stored signatures: a client that trusts the key trusts the whole store
    Add,
    /// every served path, and the stored signatures are dropped
    Replace,
    /// no path; the stored signatures are served
    Keep,
    /// only paths that were built on this machine, beside the stored signatures
    Ultimate,
    /// only paths with a valid signature by one of `signed_by`, beside the stored signatures
    SignedBy,
}

/// Signatures of this cache; a key that is left out has the value of `[signing]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawCacheSigning {
    /// As `signing.keys`. An empty list signs nothing.
    pub(crate) keys: Option<Vec<String>>,
    /// As `signing.policy`.
    pub(crate) policy: Option<RawPolicy>,
    /// As `signing.signed_by`.
    pub(crate) signed_by: Option<Vec<String>>,
}

impl Default for RawSigning {
    fn default() -> Self {
        let policy = match SigningPolicy::default() {
            SigningPolicy::Add => RawPolicy::Add,
            SigningPolicy::Replace => RawPolicy::Replace,
            SigningPolicy::Keep => RawPolicy::Keep,
            SigningPolicy::Ultimate => RawPolicy::Ultimate,
            SigningPolicy::SignedBy(_) => RawPolicy::SignedBy,
        };
        Self { keys: Vec::new(), policy, signed_by: Vec::new() }
    }
}
