//! Why a server could not start, or ended.

use std::io;

use crate::connection::{listen::ListenError, tls::TlsError};

/// Why a server could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A listener could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener speaks TLS and there is no certificate.
    #[error(
        "clients speak TLS on {url} and no certificate is configured: set certificate and key in the \
         section [tls]"
    )]
    NoCertificate {
        /// The listener.
        url: String,
    },
    /// The TLS library refuses its configuration.
    #[error("cannot set up TLS: {0}")]
    TlsSetup(#[from] rustls::Error),
    /// Threads, signals or sockets could not be had.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The server ended without being asked to.
    #[error("the server ended by itself")]
    Ended,
}
