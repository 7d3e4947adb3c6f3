//! Fetching the keys of an issuer. Blocks: for the blocking pool.

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use actix_web::http::Uri;
use serde_json::Value;
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

use super::{error::IssuerError, keys::KeySet};
use crate::connection::tls;

/// For one answer, from the look-up of the name to its last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is read of one answer, in bytes.
const MAX_ISSUER_DOCUMENT_BYTES: u64 = 1 << 20;

/// The keys that an issuer says are its own.
pub(super) fn keys(issuer: &str, ca: Option<&Path>) -> Result<KeySet, IssuerError> {
    let place = Destination::of(issuer)?;
    let agent = agent(place, ca)?;
    let about = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let about: Value = serde_json::from_slice(&get(&agent, &about)?)
        .map_err(|source| IssuerError::NotJson { url: about, source })?;
    // Else one issuer could make tokens in the name of another.
    let said = about.get("issuer").and_then(Value::as_str).unwrap_or_default();
    if said != issuer {
        return Err(IssuerError::OtherIssuer { said: said.to_owned() });
    }
    let keys = about.get("jwks_uri").and_then(Value::as_str).ok_or(IssuerError::NoKeyUrl)?;
    if place == Destination::World && Destination::of(keys)? != Destination::World {
        return Err(IssuerError::KeysOnThisMachine { url: keys.to_owned() });
    }
    Ok(KeySet::parse(&get(&agent, keys)?)?)
}

/// The problem of the URL of an issuer, if there is one.
pub(super) fn problem(issuer: &str) -> Option<IssuerError> {
    Destination::of(issuer).err()
}

/// Where a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    /// On this machine. It needs no TLS.
    Here,
    /// Anywhere.
    World,
}

impl Destination {
    /// Where a URL leads. One that leads elsewhere must be of https.
    fn of(url: &str) -> Result<Self, IssuerError> {
        let parsed = url.parse::<Uri>().ok();
        let parsed = parsed.as_ref().and_then(|url| url.scheme_str().zip(url.host()));
        let (scheme, host) = parsed.ok_or_else(|| IssuerError::NotAUrl { url: url.to_owned() })?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        match (scheme, is_here) {
            ("http" | "https", true) => Ok(Self::Here),
            ("https", false) => Ok(Self::World),
            _ => Err(IssuerError::NotHttps { url: url.to_owned() }),
        }
    }
}

fn agent(place: Destination, ca: Option<&Path>) -> Result<Agent, IssuerError> {
    let roots = match ca {
        None => RootCerts::WebPki,
        Some(path) => {
            let certificates = tls::certificates(path)
                .map_err(|source| IssuerError::Ca { path: path.to_owned(), source })?;
            let certificates = certificates.iter().map(|der| Certificate::from_der(der).to_owned());
            RootCerts::Specific(Arc::new(certificates.collect()))
        }
    };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(tls::provider())
        .root_certs(roots)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .https_only(place == Destination::World)
        .max_redirects(0)
        .timeout_global(Some(FETCH_TIMEOUT))
        .user_agent(concat!("rust-nix-serve/", env!("CARGO_PKG_VERSION")));
    let config = if place == Destination::Here { config.proxy(None) } else { config };
    Ok(config.build().new_agent())
}

fn get(agent: &Agent, url: &str) -> Result<Vec<u8>, IssuerError> {
    let answer = agent.get(url).header("Accept", "application/json").call();
    answer
        .and_then(|mut answer| {
            answer.body_mut().with_config().limit(MAX_ISSUER_DOCUMENT_BYTES).read_to_vec()
        })
        .map_err(|err| IssuerError::Unreachable { url: url.to_owned(), source: Box::new(err) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_this_machine_needs_no_tls() {
        for here in ["http://127.0.0.1:8000", "http://[::1]/x", "https://localhost/realm"] {
            assert_eq!(Destination::of(here).unwrap(), Destination::Here, "{here}");
        }
        for world in ["https://gitlab.com", "https://192.0.2.1/"] {
            assert_eq!(Destination::of(world).unwrap(), Destination::World, "{world}");
        }
        for bad in [
            "http://gitlab.com",
            "ftp://localhost",
            "gitlab.com",
            "",
            "http://localhost.example.org",
        ] {
            assert!(Destination::of(bad).is_err(), "{bad}");
        }
    }
}
