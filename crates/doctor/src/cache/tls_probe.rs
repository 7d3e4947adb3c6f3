//! A handshake that accepts every certificate, in order to look at it. No secret is sent on such a connection.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime},
};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;
use x509_cert::{Certificate, der::Decode as _};

use super::proxy::{ForwardProxy, ProxyError};

/// The reason for having no handshake to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// TLS does not work on this side.
    #[error(transparent)]
    Tls(#[from] Error),
    /// The name of the server is none that TLS knows.
    #[error(transparent)]
    Name(#[from] InvalidDnsNameError),
    /// The proxy on the way makes no connection.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The connection or the handshake failed.
    #[error(transparent)]
    Connection(#[from] io::Error),
    /// The server shows no certificate.
    #[error("the server shows no certificate")]
    NoCertificate,
    /// The certificate cannot be read.
    #[error("{0}")]
    Certificate(x509_cert::der::Error),
    /// The end of the certificate is no date.
    #[error("the certificate ends at no time that can be written")]
    NoDate,
}

/// The certificate of a server, and the other facts of the handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeFacts {
    pub(super) not_after: OffsetDateTime,
    pub(super) protocol: Protocol,
}

/// The protocol that the server chose among HTTP/2 and HTTP/1.1 (ALPN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/2.
    Http2,
    /// HTTP/1.1.
    Http1,
    /// The server does not answer the offer.
    NotChosen,
}

/// A connection to the server of a URL, with one of these protocols. Its certificate is not verified, so it is
/// sent no secret.
pub(super) async fn connect(
    url: &Url,
    proxy: Option<&ForwardProxy>,
    protocols: &[&[u8]],
) -> Result<TlsStream<TcpStream>, HandshakeError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Lenient(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from(host.clone())?;
    let connection = match proxy {
        Some(proxy) => proxy.connect(&host, port).await?,
        None => TcpStream::connect((host.as_str(), port)).await?,
    };
    Ok(TlsConnector::from(Arc::new(config)).connect(name, connection).await?)
}

/// Looks at the server of a URL.
pub(super) async fn look(
    url: &Url,
    proxy: Option<&ForwardProxy>,
) -> Result<HandshakeFacts, HandshakeError> {
    let stream = connect(url, proxy, &[b"h2", b"http/1.1"]).await?;
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let leaf = leaf.ok_or(HandshakeError::NoCertificate)?;
    let leaf = Certificate::from_der(leaf).map_err(HandshakeError::Certificate)?;
    let end = leaf.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
    let not_after =
        i64::try_from(end).ok().and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok());
    let not_after = not_after.ok_or(HandshakeError::NoDate)?;
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) => Protocol::Http1,
        None => Protocol::NotChosen,
    };
    Ok(HandshakeFacts { not_after, protocol })
}

/// Accepts every certificate.
#[derive(Debug)]
struct Lenient(Arc<CryptoProvider>);

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
