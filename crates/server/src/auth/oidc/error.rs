//! Why the keys of an issuer cannot be had.

use std::path::PathBuf;

use crate::connection::tls::PemError;

/// Why the keys of an issuer cannot be had. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum IssuerError {
    /// Its address makes no sense.
    #[error("{url} is no URL")]
    NotAUrl {
        /// The address.
        url: String,
    },
    /// The connection would not be protected.
    #[error("{url} is not of https, and could be changed on the way")]
    NotHttps {
        /// The address.
        url: String,
    },
    /// The file of CA certificates cannot be used.
    #[error("CA file {}: {source}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// The problem.
        source: PemError,
    },
    /// It does not answer.
    #[error("{url}: {source}")]
    Unreachable {
        /// The URL.
        url: String,
        /// The error of the HTTP client.
        source: Box<ureq::Error>,
    },
    /// It answers something else than JSON.
    #[error("{url} is no JSON: {source}")]
    NotJson {
        /// The URL.
        url: String,
        /// Where the text is wrong.
        source: serde_json::Error,
    },
    /// Another issuer answers: it could make tokens in the name of this one.
    #[error("its document names the issuer {said:?}; write it just so")]
    OtherIssuer {
        /// The name that it gave.
        said: String,
    },
    /// Its description lacks the address of its keys.
    #[error("it does not say where its keys are")]
    NoKeyUrl,
    /// An issuer of the world must not make this server ask services of this machine.
    #[error("its keys are at {url}, which is on this machine")]
    KeysOnThisMachine {
        /// The address of the keys.
        url: String,
    },
    /// It publishes nothing that could be used.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// Why a text is no set of keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySetError {
    /// It is no JSON.
    #[error("its keys are no JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is another JSON.
    #[error("it publishes no list of keys")]
    NoList,
    /// There is no key that could be used.
    #[error("none of its {total} keys is for signatures of the kinds RS256, ES256 and EdDSA")]
    NoneUsable {
        /// How many keys there are.
        total: usize,
    },
}
