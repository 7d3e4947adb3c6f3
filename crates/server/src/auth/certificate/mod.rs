//! The certificate of a client.

mod connection;
mod request;

use std::sync::Arc;

pub(crate) use self::connection::ConnectionCertificate;
use super::Subject;

/// The certificate that a client shows with its request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientCertificate {
    /// None.
    None,
    /// A good one.
    Of(Arc<CertificateOwner>),
    /// One that is not good; why, for the operator.
    Wrong(&'static str),
}

/// Whose certificate it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateOwner {
    pub(crate) subject: Subject,
    /// Its name in the log and where limits are kept.
    pub(crate) name: Arc<str>,
}

impl CertificateOwner {
    pub(crate) fn new(subject: Subject) -> Self {
        Self { name: format!("certificate {subject}").into(), subject }
    }
}
