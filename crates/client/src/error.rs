//! Failures of requests, by meaning.

use std::time::Duration;

use crate::ca_file::CaFileError;

/// A request that did not succeed, after all attempts.
#[derive(Debug, thiserror::Error)]
#[error("{request}: {failure}")]
pub struct RequestError {
    /// Method and URL, without any credential.
    pub request: String,
    /// The failure of the last attempt.
    pub failure: RequestFailure,
}

impl RequestError {
    pub(crate) fn new(request: impl Into<String>, failure: RequestFailure) -> Self {
        Self { request: request.into(), failure }
    }

    /// Returns true if the cache could not be reached at all, so that other requests will fail the same way.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self.failure, RequestFailure::Unreachable(_))
    }
}

/// The failure of a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestFailure {
    /// The cache wants a credential, or another one (401, 407).
    #[error("{0} (401)")]
    Unauthorised(WrongCredential),
    /// The credential does not allow this (403).
    #[error("not allowed (403){}", said(.0))]
    Forbidden(String),
    /// Nothing is taken at this address (405).
    #[error("this address takes no uploads (405){}", said(.0))]
    WrongAddress(String),
    /// The object is larger than the cache, or a proxy in front of it, takes (413).
    #[error("too large for the cache or a proxy in front of it (413){}", said(.0))]
    TooLarge(String),
    /// There were too many requests (429).
    #[error("too many requests (429)")]
    RateLimited {
        /// The pause that the cache asks for.
        retry_after: Option<Duration>,
    },
    /// The cache refuses this request for another reason (4xx).
    #[error("refused with status {status}{}", said(.text))]
    Refused {
        /// The status.
        status: u16,
        /// The first line of its text.
        text: String,
    },
    /// The cache, or a proxy in front of it, fails (5xx).
    #[error("the server answers with status {status}{}", said(.text))]
    Server {
        /// The status.
        status: u16,
        /// The first line of its text.
        text: String,
        /// The pause that it asks for.
        retry_after: Option<Duration>,
    },
    /// The connection ended, or nothing more came, before the answer was whole.
    #[error("the connection was cut: {0}")]
    Cut(String),
    /// No connection could be made: wrong name, nothing listens, TLS refuses.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The address is none of a server, or the credential cannot be sent: nothing is tried.
    #[error("{0}")]
    Unusable(String),
    /// The answer breaks the protocol.
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
    /// The body could not be read on this machine.
    #[error("cannot read what is to be sent: {0}")]
    Local(std::io::Error),
    /// The file of authorities that TLS is to trust.
    #[error(transparent)]
    Authorities(CaFileError),
}

/// The fault of a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongCredential {
    /// None was sent; the reason, where it is known.
    #[error("the cache asks for a credential, and none was given{}", said(.0))]
    Missing(String),
    /// The cache does not know it, or no longer.
    #[error("the cache does not know this credential, or no longer")]
    Unknown,
    /// It was good until some time ago.
    #[error("the token has expired")]
    Expired,
}

impl RequestFailure {
    /// The next step of a user, where there is one.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Unauthorised(WrongCredential::Missing(_)) => Some(
                "name one with --token-file, RUST_NIX_SERVE_TOKEN or in the netrc file; \
                 on the server, `rust-nix-serve token create NAME --allow read,push` makes one, with `,pin` for roots",
            ),
            Self::Unauthorised(WrongCredential::Unknown | WrongCredential::Expired) => Some(
                "on the server, `rust-nix-serve token create NAME --allow read,push` makes a new one, with `,pin` for roots",
            ),
            Self::Forbidden(_) => Some(
                "on the server, `rust-nix-serve token create NAME --allow read,push` makes one that may push, with `,pin` one that sets roots",
            ),
            Self::WrongAddress(text) if text.contains("://") => None,
            Self::WrongAddress(_) => Some(
                "a server of this program takes pushes once its configuration has storage.url \
                 or upload.target; another web server has to be told to take PUT",
            ),
            Self::TooLarge(_) => Some("for an nginx in front: client_max_body_size 0;"),
            Self::Server { .. } => Some("on the server, `rust-nix-serve doctor` names the fault"),
            Self::Unreachable(_) => Some("`rust-nix-serve doctor URL` says where it stops"),
            Self::RateLimited { .. }
            | Self::Refused { .. }
            | Self::Cut(_)
            | Self::Unusable(_)
            | Self::Malformed(_)
            | Self::Local(_)
            | Self::Authorities(_) => None,
        }
    }

    /// Returns true if another try may succeed without anything being changed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Cut(_) | Self::Unreachable(_) => true,
            // Not implemented, wrong protocol version, storage full, captive portal.
            Self::Server { status, .. } => !matches!(*status, 501 | 505 | 507 | 511),
            Self::Refused { status, .. } => *status == 408,
            Self::Unauthorised(_)
            | Self::Forbidden(_)
            | Self::WrongAddress(_)
            | Self::TooLarge(_)
            | Self::Unusable(_)
            | Self::Malformed(_)
            | Self::Local(_)
            | Self::Authorities(_) => false,
        }
    }

    /// The pause that the cache asks for before the next try.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
