//! The certificate that was shown when a connection was made.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{ServerConnection, pki_types::CertificateDer};

use super::{CertificateOwner, ClientCertificate};
use crate::{
    auth::Subject,
    connection::tls::{ClientCa, Vouching, vouches},
};

/// A certificate that was good once is looked at again after this time: it may have expired since.
const CERTIFICATE_RECHECK_INTERVAL: Duration = Duration::from_secs(60);

/// The certificate of the client at the other end of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionCertificate {
    /// The client's own certificate, then those that it is signed by.
    chain: Vec<CertificateDer<'static>>,
    owner: Option<Arc<CertificateOwner>>,
    client_ca: ClientCa,
    found_good: Mutex<Option<FoundGood>>,
}

/// When a chain was found good, and by whom.
#[derive(Debug)]
struct FoundGood {
    by: Arc<Vouching>,
    at: Instant,
}

impl ConnectionCertificate {
    /// The certificate of a connection that has just been made.
    pub(crate) fn of(client_ca: &ClientCa, connection: &ServerConnection) -> Option<Self> {
        connection.peer_certificates().map(|chain| Self::new(client_ca.clone(), chain))
    }

    fn new(client_ca: ClientCa, chain: &[CertificateDer<'_>]) -> Self {
        Self {
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            owner: chain
                .first()
                .and_then(|own| Subject::of_certificate(own))
                .map(|subject| Arc::new(CertificateOwner::new(subject))),
            client_ca,
            found_good: Mutex::new(None),
        }
    }

    /// The certificate, if it is still good.
    pub(super) fn certificate(&self) -> ClientCertificate {
        if !self.is_good() {
            return ClientCertificate::Wrong("its certificate is not good any more");
        }
        match &self.owner {
            Some(owner) => ClientCertificate::Of(Arc::clone(owner)),
            None => ClientCertificate::Wrong("the subject of its certificate cannot be read"),
        }
    }

    /// A connection can outlive the CA that its certificate was checked with: one that was withdrawn since does not
    /// vouch for it any more.
    fn is_good(&self) -> bool {
        let Some(vouching) = self.client_ca.now() else { return false };
        let mut found_good = self.found_good.lock().unwrap_or_else(PoisonError::into_inner);
        let still_good = found_good.as_ref().is_some_and(|found| {
            Arc::ptr_eq(&found.by, &vouching) && found.at.elapsed() < CERTIFICATE_RECHECK_INTERVAL
        });
        if still_good {
            return true;
        }
        *found_good =
            vouches(&vouching, &self.chain).then(|| FoundGood { by: vouching, at: Instant::now() });
        found_good.is_some()
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::{config::TlsFiles, connection::tls};

    fn given(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/tls").join(name)
    }

    /// The files of TLS listeners when these vouch for clients.
    fn vouched(client_ca: Option<&str>) -> TlsFiles {
        let client_ca = client_ca.map(given);
        TlsFiles { certificate: given("one.crt"), key: given("one.key"), client_ca }
    }

    #[test]
    fn a_withdrawn_ca_counts_on_connections_that_are_open() {
        let tls = tls::Certificate::load(&vouched(Some("ca.crt"))).unwrap();
        let chain = [CertificateDer::from_pem_file(given("ci.crt")).unwrap()];
        let peer = ConnectionCertificate::new(tls.client_ca().clone(), &chain);
        let is_ci = |peer: &ConnectionCertificate| match peer.certificate() {
            ClientCertificate::Of(owner) => {
                assert_eq!(
                    &*owner.name,
                    "certificate C=DE,O=Ex\u{e4}mple\\, Inc.,OU=builders,UID=7,CN=ci"
                );
                true
            }
            _ => false,
        };
        assert!(is_ci(&peer) && is_ci(&peer));
        for (client_ca, good) in
            [(Some("other-ca.crt"), false), (Some("ca.crt"), true), (None, false)]
        {
            tls.prepare(&vouched(client_ca)).unwrap().show();
            assert_eq!(is_ci(&peer), good, "{client_ca:?}");
        }
    }
}
