//! The CA of client certificates, exchanged while connections are open.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwapOption;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    crypto::provider,
    error::{Role, TlsError, TlsProblem},
    pem::certificates,
};
use crate::config::TlsFiles;

/// Checks certificates of clients.
pub(crate) type Vouching = Arc<dyn ClientCertVerifier>;

/// The CA of client certificates; without one, clients are not asked for a certificate. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ClientCa(Arc<ArcSwapOption<Vouching>>);

/// Loads the certificates that vouch for those of clients, if there are to be any.
pub(super) fn load(files: &TlsFiles) -> Result<Option<Vouching>, TlsError> {
    let Some(path) = &files.client_ca else { return Ok(None) };
    vouching(path).map(Some).map_err(|problem| TlsError {
        path: path.clone(),
        role: Role::ClientCa,
        problem,
    })
}

fn vouching(path: &Path) -> Result<Vouching, TlsProblem> {
    let mut roots = RootCertStore::empty();
    for (certificate, number) in certificates(path)?.into_iter().zip(1..) {
        roots.add(certificate).map_err(|error| TlsProblem::BadCa { number, error })?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    verifier.build().map_err(TlsProblem::RefusedCa)
}

impl ClientCa {
    pub(super) fn new(vouching: Option<Vouching>) -> Self {
        Self(Arc::new(ArcSwapOption::new(vouching.map(Arc::new))))
    }

    /// Others vouch from now on.
    pub(super) fn exchange(&self, vouching: Option<Vouching>) {
        self.0.store(vouching.map(Arc::new));
    }

    /// Whether clients are asked for certificates.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load().is_some()
    }

    /// Who vouches now.
    pub(crate) fn now(&self) -> Option<Arc<Vouching>> {
        self.0.load_full()
    }
}

/// Whether a chain, the client's own certificate first, is good now.
pub(crate) fn vouches(vouching: &Vouching, chain: &[CertificateDer<'_>]) -> bool {
    chain.split_first().is_some_and(|(own, others)| {
        vouching.verify_client_cert(own, others, UnixTime::now()).is_ok()
    })
}

impl ClientCertVerifier for ClientCa {
    fn offer_client_auth(&self) -> bool {
        self.is_there()
    }

    /// Who shows none is anonymous, or has a token.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: clients show the certificate that they were configured to show.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.now() {
            Some(vouching) => vouching.verify_client_cert(own, others, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn files(client_ca: &str) -> TlsFiles {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/");
        TlsFiles {
            certificate: format!("{data}one.crt").into(),
            key: format!("{data}one.key").into(),
            client_ca: Some(format!("{data}{client_ca}").into()),
        }
    }

    pub(in crate::connection::tls) fn ca() -> Vouching {
        load(&files("one.crt")).unwrap().unwrap()
    }

    #[test]
    fn a_client_ca_that_cannot_be_used_is_named() {
        load(&files("one.crt")).unwrap().unwrap();
        for (file, what) in
            [("one.key", "no certificate in it"), ("none", "does not exist"), (".", "a directory")]
        {
            let text = crate::connection::tls::check(&files(file)).unwrap_err().to_string();
            assert!(text.contains("TLS client CA file") && text.contains(what), "{text}");
        }
    }
}
