//! The rules of access.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use crate::auth::{Permission, Permissions, Subject};

/// The rules of access to one cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessConfig {
    /// The permissions of every client.
    pub anonymous: Permissions,
    /// The file of tokens. It is read again when it changes.
    pub tokens: Option<PathBuf>,
    /// The permissions of the holders of client certificates.
    pub subjects: Vec<SubjectRule>,
    /// Issuers of tokens that vouch for clients.
    pub oidc: Vec<OidcProvider>,
}

impl AccessConfig {
    /// Whether reading needs a token, not only a certificate.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        let has_tokens = self.tokens.is_some() || !self.oidc.is_empty();
        has_tokens && !self.anonymous.has(Permission::Read)
    }
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            anonymous: Permissions::from(Permission::Read),
            tokens: None,
            subjects: Vec::new(),
            oidc: Vec::new(),
        }
    }
}

/// The permissions of the holders of certificates with such a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRule {
    /// The parts that the subject of the certificate must have.
    pub subject: Subject,
    /// Their permissions.
    pub allow: Permissions,
}

/// An issuer of short-lived tokens, such as a CI service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// Its name in the configuration.
    pub name: String,
    /// The issuer, as the tokens say it; its keys are found below it.
    pub issuer: String,
    /// The audience that the tokens must be for.
    pub audience: String,
    /// Claims that a token must have, each with a pattern (`*`, `?`) for its value.
    pub claims: Vec<(String, String)>,
    /// The permissions of the holders of such tokens.
    pub allow: Permissions,
    /// Certificates that vouch for the issuer's server, instead of those of the public web.
    pub ca: Option<PathBuf>,
}

/// Trusted proxies and answers to wrong credentials, for all caches together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePolicyConfig {
    /// Proxies whose `X-Forwarded-For` is believed, beside that of nginx on its own listener.
    pub trusted_proxies: Vec<IpNet>,
    /// How long the answer to a wrong credential is held back.
    pub failure_delay: Duration,
}

impl FailurePolicyConfig {
    /// Whether this is the address of a proxy that is believed, in either way of writing an IPv4 address.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address) || net.contains(&canonical))
    }
}

impl Default for FailurePolicyConfig {
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), failure_delay: Duration::from_secs(1) }
    }
}
