//! Failures of requests, by meaning.

use std::time::Duration;

/// A request that did not succeed, after all attempts.
#[derive(Debug, thiserror::Error)]
#[error("{request}: {failure}")]
pub struct RequestError {
    /// Method and URL, without any credential.
    pub request: String,
    /// The failure of the last attempt.
    pub failure: Failure,
}

impl RequestError {
    pub(crate) fn new(request: impl Into<String>, failure: Failure) -> Self {
        Self { request: request.into(), failure }
    }

    /// Returns true if the cache could not be reached at all, so that other requests will fail the same way.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self.failure, Failure::Unreachable(_))
    }
}

/// The failure of a request.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The cache wants a credential, or another one (401, 407).
    #[error("the cache asks for a valid credential (401)")]
    Unauthorised,
    /// The credential does not allow this (403).
    #[error("not allowed (403){}", said(.0))]
    Forbidden(String),
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
    /// The answer breaks the protocol.
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
    /// The body could not be read on this machine.
    #[error("cannot read what is to be sent: {0}")]
    Local(std::io::Error),
}

impl Failure {
    /// Returns true if another try may succeed without anything being changed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Cut(_) | Self::Unreachable(_) => true,
            // Not implemented, wrong protocol version, storage full, captive portal.
            Self::Server { status, .. } => !matches!(*status, 501 | 505 | 507 | 511),
            Self::Refused { status, .. } => *status == 408,
            Self::Unauthorised
            | Self::Forbidden(_)
            | Self::TooLarge(_)
            | Self::Malformed(_)
            | Self::Local(_) => false,
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
