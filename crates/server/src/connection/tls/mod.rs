//! The certificate that TLS listeners show, exchanged while they run.

mod client_ca;
mod crypto;
mod error;
mod pem;
mod tickets;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use rustls::{
    InconsistentKeys,
    crypto::ring,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_cert::{Certificate as Certificate509, der::Decode as _};

pub use self::error::TlsError;
pub(crate) use self::{
    client_ca::{ClientCa, Vouching, vouches},
    crypto::provider,
    pem::{PemError, certificates},
};
use self::{
    error::{Role, TlsProblem},
    pem::private_key,
    tickets::Tickets,
};
use crate::config::TlsFiles;

/// Reads the files and checks that they are usable and belong together.
///
/// # Errors
///
/// Names the file and its problem.
pub fn check(files: &TlsFiles) -> Result<(), TlsError> {
    load(files)?;
    client_ca::load(files)?;
    Ok(())
}

/// Checks that the certificate is valid at this time. One that is not can be shown all the same, but clients refuse it.
///
/// # Errors
///
/// Names the file, and since or until when it is not valid. A file that [`check`] refuses is no error here.
pub fn check_validity(files: &TlsFiles, now: SystemTime) -> Result<(), TlsError> {
    let Some(validity) = certificates(&files.certificate)
        .ok()
        .and_then(|chain| Certificate509::from_der(chain.first()?).ok())
        .map(|certificate| *certificate.tbs_certificate().validity())
    else {
        return Ok(());
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let problem = if validity.not_after.to_unix_duration() < now {
        TlsProblem::Expired(validity.not_after)
    } else if validity.not_before.to_unix_duration() > now {
        TlsProblem::NotYetValid(validity.not_before)
    } else {
        return Ok(());
    };
    Err(TlsError { path: files.certificate.clone(), role: Role::Certificate, problem })
}

/// The certificate of all TLS listeners, and who vouches for those of clients. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    resolver: Arc<Resolver>,
    client_ca: ClientCa,
}

#[derive(Debug)]
struct Resolver(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificate {
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            resolver: Arc::new(Resolver(ArcSwap::from_pointee(load(files)?))),
            client_ca: ClientCa::new(client_ca::load(files)?),
        })
    }

    /// Loads another certificate, and who vouches for clients, without any effect yet.
    pub(crate) fn prepare(&self, files: &TlsFiles) -> Result<StagedCertificate, TlsError> {
        let (key, vouching) = (load(files)?, client_ca::load(files)?);
        Ok(StagedCertificate { certificate: self.clone(), key, vouching })
    }

    /// Who vouches for the certificates of clients.
    pub(crate) const fn client_ca(&self) -> &ClientCa {
        &self.client_ca
    }

    /// The configuration of a TLS listener, without the protocols (HTTP/2, HTTP/1.1).
    pub(crate) fn server_config(&self) -> Result<rustls::ServerConfig, rustls::Error> {
        // Fails when something in the process has chosen a provider before, which is as good.
        let _ = ring::default_provider().install_default();
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(self.client_ca.clone()))
            .with_cert_resolver(Arc::clone(&self.resolver) as Arc<dyn ResolvesServerCert>);
        // Clients that come back in another connection skip the signature, without state kept here.
        config.ticketer = Arc::new(Tickets::new(self.client_ca.clone())?);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }
}

/// A certificate that was found good.
#[derive(Debug)]
pub(crate) struct StagedCertificate {
    certificate: Certificate,
    key: CertifiedKey,
    vouching: Option<Vouching>,
}

impl StagedCertificate {
    /// Shows it to every client from now on; connections that are open keep the one they have.
    pub(crate) fn show(self) {
        self.certificate.resolver.0.store(Arc::new(self.key));
        self.certificate.client_ca.exchange(self.vouching);
    }
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let in_certificate =
        |problem| TlsError { path: files.certificate.clone(), role: Role::Certificate, problem };
    let chain = certificates(&files.certificate).map_err(|error| in_certificate(error.into()))?;
    let in_key = |problem| TlsError { path: files.key.clone(), role: Role::Key, problem };
    let key = private_key(&files.key).map_err(|error| in_key(error.into()))?;
    let key = provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| in_key(TlsProblem::UnknownKeyKind(error)))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(in_key(TlsProblem::OtherKey { certificate: files.certificate.clone() }))
        }
        Err(error) => Err(in_certificate(TlsProblem::UnreadableCertificate(error))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::pki_types::CertificateDer;

    use super::*;

    const ONE: (&str, &str) = (
        include_str!("../../../../../tests/data/tls/one.crt"),
        include_str!("../../../../../tests/data/tls/one.key"),
    );
    const TWO: (&str, &str) = (
        include_str!("../../../../../tests/data/tls/two.crt"),
        include_str!("../../../../../tests/data/tls/two.key"),
    );

    struct Files {
        dir: tempfile::TempDir,
        files: TlsFiles,
    }

    fn files(certificate: &str, key: &str) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: dir.path().join("tls.crt"),
            key: dir.path().join("tls.key"),
            client_ca: None,
        };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        Files { dir, files }
    }

    fn problem(certificate: &str, key: &str) -> String {
        check(&files(certificate, key).files).unwrap_err().to_string()
    }

    fn shown(certificate: &Certificate) -> CertificateDer<'static> {
        certificate.resolver.0.load().cert[0].clone()
    }

    #[test]
    fn takes_a_certificate_and_a_chain() {
        check(&files(ONE.0, ONE.1).files).unwrap();
        check(&files(&format!("{}{}", ONE.0, TWO.0), ONE.1).files).unwrap();
    }

    #[test]
    fn shows_the_new_certificate_after_a_reload_and_the_old_one_after_a_bad_one() {
        let files = files(ONE.0, ONE.1);
        let certificate = Certificate::load(&files.files).unwrap();
        let first = shown(&certificate);

        fs::write(&files.files.certificate, TWO.0).unwrap();
        let text = certificate.prepare(&files.files).unwrap_err().to_string();
        assert!(text.contains("does not belong"), "{text}");
        assert!(text.contains("tls.key") && text.contains("tls.crt"), "{text}");
        assert_eq!(shown(&certificate), first);

        fs::write(&files.files.key, TWO.1).unwrap();
        certificate.prepare(&files.files).unwrap().show();
        assert_ne!(shown(&certificate), first);
        certificate.server_config().unwrap();
    }

    #[test]
    fn a_certificate_is_valid_between_its_two_dates() {
        let expired = include_str!("../../../../../tests/data/tls/expired.crt");
        let files = files(expired, ONE.1);
        let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        check_validity(&files.files, at(1_577_880_000)).unwrap();
        let late = check_validity(&files.files, at(1_700_000_000)).unwrap_err().to_string();
        assert!(late.contains("tls.crt: it expired on 2020-01-02T00:00:00Z"), "{late}");
        let early = check_validity(&files.files, at(1_500_000_000)).unwrap_err().to_string();
        assert!(early.contains("it is not valid before 2020-01-01T00:00:00Z"), "{early}");
    }

    #[test]
    fn says_which_file_and_what_is_wrong() {
        for (certificate, key, file, what) in [
            ("", ONE.1, "tls.crt", "no certificate"),
            (ONE.1, ONE.1, "tls.crt", "no certificate"),
            (ONE.0, "", "tls.key", "no private key"),
            (ONE.0, ONE.0, "tls.key", "no private key"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", ONE.1, "tls.crt", "not valid PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                ONE.1,
                "tls.crt",
                "cannot be read",
            ),
            (
                ONE.0,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "tls.key",
                "passphrase",
            ),
            (
                ONE.0,
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "tls.key",
                "not a key of a kind",
            ),
        ] {
            let text = problem(certificate, key);
            assert!(text.contains(file) && text.contains(what), "{file}, {what}: {text}");
        }
    }

    #[test]
    fn a_missing_file_and_a_directory_are_named() {
        let files = files(ONE.0, ONE.1);
        let missing = TlsFiles { key: "/nonexistent/tls.key".into(), ..files.files.clone() };
        let text = check(&missing).unwrap_err().to_string();
        assert!(text.contains("/nonexistent/tls.key: it does not exist"), "{text}");
        let directory =
            TlsFiles { certificate: files.dir.path().to_owned(), ..files.files.clone() };
        assert!(check(&directory).unwrap_err().to_string().contains("directory"));
    }

    #[test]
    fn never_shows_key_material() {
        let broken = ONE.1.replace("-----END", "----END");
        let text = problem(ONE.0, &broken);
        for line in ONE.1.lines().skip(1).take(3) {
            assert!(!text.contains(line), "{text}");
        }
    }
}
