//! Short-lived tokens of others who vouch for clients (OpenID Connect), such as CI services.
//!
//! A token names its issuer, and is signed with one of the issuer's keys, which are fetched from there. The
//! configuration of the issuer then decides what its holder may do.

mod claims;
mod error;
mod http;
mod issuer;
mod keys;
mod signature;
mod token;

use std::{borrow::Cow, sync::Arc, time::Instant};

use quick_cache::sync::Cache;
use rns_formats::Sha256Digest;
use serde_json::Value;

use self::{
    error::IssuerError,
    issuer::{Issuer, KeySearch},
    keys::IssuerKey,
    token::Unverified,
};
use super::{Identity, Permissions, Principal, identity::Undetermined};
use crate::config::OidcProvider;

/// Tokens that were found good and are known again by their hash.
const MAX_REMEMBERED_TOKENS: usize = 4096;

/// How much of the name that a token has for its holder is shown.
const MAX_NAME_CHARS: usize = 120;

/// A token that was found good is looked at again after so many seconds.
const RECHECK_SECONDS: f64 = 3600.0;

/// The issuers that vouch for the clients of one cache.
pub(super) struct Oidc {
    providers: Vec<Provider>,
    remembered: Cache<Sha256Digest, Good>,
}

struct Provider {
    config: OidcProvider,
    issuer: Arc<Issuer>,
}

/// A token that was found good.
#[derive(Clone)]
struct Good {
    holder: Principal,
    issuer: Arc<Issuer>,
    key_id: Option<String>,
    key: Arc<IssuerKey>,
    /// Until when that counts, in seconds since 1970.
    until: f64,
}

impl Good {
    /// Whether it still is: its time is not over, and the issuer still has the key.
    async fn counts(&self, asked: Instant) -> bool {
        token::seconds() < self.until
            && matches!(
                self.issuer.key(self.key_id.as_deref(), self.key.algorithm, asked).await,
                KeySearch::Key(key) if Arc::ptr_eq(&key, &self.key)
            )
    }
}

/// Problems of the configuration of issuers, for the operator, with the name of each.
pub(super) fn problems(providers: &[OidcProvider]) -> Vec<(String, String)> {
    let of_one = |provider: &OidcProvider| {
        let url = http::problem(&provider.issuer);
        let ca = provider.ca.as_deref().and_then(|path| {
            let source = crate::connection::tls::certificates(path).err()?;
            Some(IssuerError::Ca { path: path.to_owned(), source })
        });
        let named = |problem: IssuerError| (provider.name.clone(), problem.to_string());
        url.into_iter().chain(ca).map(named).collect::<Vec<_>>()
    };
    providers.iter().flat_map(of_one).collect()
}

impl Oidc {
    pub(super) fn new(providers: &[OidcProvider]) -> Self {
        signature::install();
        let providers = providers.iter().map(|provider| Provider {
            issuer: Issuer::shared(&provider.issuer, provider.ca.as_deref()),
            config: provider.clone(),
        });
        Self { providers: providers.collect(), remembered: Cache::new(MAX_REMEMBERED_TOKENS) }
    }

    /// Whether any issuer vouches for clients.
    pub(super) fn is_any(&self) -> bool {
        !self.providers.is_empty()
    }

    /// Whether one of the issuers could not be asked the last time.
    pub(super) fn is_failing(&self) -> bool {
        self.providers.iter().any(|provider| provider.issuer.is_failing())
    }

    /// The identity by a secret that is a token of an issuer; `None` for a secret of another kind.
    pub(super) async fn identity(&self, secret: &[u8]) -> Option<Identity> {
        if self.providers.is_empty() || !token::is_one(secret) {
            return None;
        }
        let asked = Instant::now();
        let hash = Sha256Digest::of(secret);
        if let Some(good) = self.remembered.get(&hash)
            && good.counts(asked).await
        {
            return Some(Identity::Known(good.holder));
        }
        Some(match self.check(secret, asked).await {
            Ok(Ok(good)) => {
                self.remembered.insert(hash, good.clone());
                Identity::Known(good.holder)
            }
            Ok(Err(why)) => Identity::Undetermined(why),
            Err(fault) => Identity::Wrong(fault),
        })
    }

    /// The inner error: the keys of the issuer cannot be had now.
    async fn check(
        &self,
        secret: &[u8],
        asked: Instant,
    ) -> Result<Result<Good, Undetermined>, Cow<'static, str>> {
        let token = Unverified::read(secret)?;
        let of_issuer =
            || self.providers.iter().filter(|provider| provider.config.issuer == token.issuer);
        let Some(first) = of_issuer().next() else {
            return Err("a token of an issuer that is not configured".into());
        };
        let issuer = Arc::clone(&first.issuer);
        let key = match issuer.key(token.key_id.as_deref(), token.algorithm, asked).await {
            KeySearch::Key(key) => key,
            KeySearch::None => {
                return Err("a token signed with a key that its issuer does not have".into());
            }
            KeySearch::Unreachable => return Ok(Err(Undetermined::Outage)),
            KeySearch::NotYet => return Ok(Err(Undetermined::Soon)),
        };
        let audiences: Vec<&str> =
            of_issuer().map(|provider| provider.config.audience.as_str()).collect();
        let claims = token.verify(&key, &audiences)?;
        let mut fitting = of_issuer().filter(|provider| fits(&provider.config, &claims)).peekable();
        let Some(first) = fitting.peek() else {
            let faults = of_issuer().filter_map(|provider| unfitting(&provider.config, &claims));
            let faults = faults.collect::<Vec<_>>().join("; ");
            return Err(format!("a good token without a claim that it needs: {faults}").into());
        };
        let name = holder_name(&first.config.name, &claims).into();
        let allow = fitting.fold(Permissions::NONE, |all, provider| all | provider.config.allow);
        let holder = Principal { name, allow, paths: Arc::default() };
        let until = token::end(&claims).min(token::seconds() + RECHECK_SECONDS);
        Ok(Ok(Good { holder, issuer, key_id: token.key_id, key, until }))
    }
}

fn fits(provider: &OidcProvider, claims: &Value) -> bool {
    unfitting(provider, claims).is_none()
}

/// The claim of a token that this provider does not accept, for the operator.
fn unfitting(provider: &OidcProvider, claims: &Value) -> Option<String> {
    let table = format!("access.oidc.{}", provider.name);
    if !token::is_for(claims, &provider.audience) {
        return Some(format!("for {table} another audience"));
    }
    let mut wanted = provider.claims.iter();
    wanted.find(|(name, pattern)| !claims::holds(claims, name, pattern)).map(|(name, pattern)| {
        // Only tokens that the issuer has signed get here, but clients chose the words.
        let is =
            claims.get(name).map_or_else(|| "not there".to_owned(), |is| plain(&is.to_string()));
        format!("for {table} `{name}` is {is}, not `{pattern}`")
    })
}

/// The begin of a text that others have made up, without signs that do something to a terminal.
fn plain(text: &str) -> String {
    text.chars().take(MAX_NAME_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Who it is, for the log: the subject is a text that others have made up.
fn holder_name(provider: &str, claims: &Value) -> String {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let subject = plain(subject);
    // Tokens of the file and certificates have names that begin otherwise, for any name of the provider.
    format!("oidc {provider} {subject}")
}

#[cfg(test)]
mod tests;
