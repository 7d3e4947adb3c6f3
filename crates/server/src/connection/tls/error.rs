//! Problems of certificates and keys.

use std::{fmt, path::PathBuf};

use rustls::server::VerifierBuilderError;
use x509_cert::time::Time;

use super::pem::PemError;
use crate::caches::copies::original;

/// A certificate or key file that cannot be used. The text names the file, its problem, and where
/// possible the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{role} file {path}: {problem}", path = original(path).display())]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    pub(super) role: Role,
    pub(super) problem: TlsProblem,
}

/// Problems of a certificate or a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsProblem {
    /// The file cannot be read, or is not in the format.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The TLS library knows no such keys.
    #[error("it is not a key of a kind that TLS servers use (RSA, ECDSA, Ed25519): {0}")]
    UnknownKeyKind(rustls::Error),
    /// Key and certificate do not belong together.
    #[error(
        "it does not belong to the first certificate in {}; the server's own certificate comes \
         first there, then those that signed it",
        certificate.display()
    )]
    OtherKey {
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The certificate makes no sense.
    #[error("its first certificate cannot be read: {0}")]
    UnreadableCertificate(rustls::Error),
    /// The certificate was valid.
    #[error("it expired on {0}, so clients refuse it")]
    Expired(Time),
    /// The certificate will be valid.
    #[error("it is not valid before {0}, so clients refuse it")]
    NotYetValid(Time),
    /// A certificate of a CA makes no sense.
    #[error("certificate {number} in it cannot vouch for others: {error}")]
    BadCa {
        /// Its number in the file, from 1.
        number: usize,
        error: rustls::Error,
    },
    /// The TLS library refuses the certificates of the CA.
    #[error("{0}")]
    RefusedCa(VerifierBuilderError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Certificate,
    Key,
    ClientCa,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "TLS certificate",
            Self::Key => "TLS key",
            Self::ClientCa => "TLS client CA",
        })
    }
}
