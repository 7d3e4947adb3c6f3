//! A client that speaks HTTP/2 as the tests want it to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::tls::given;

/// An HTTP/2 connection to be driven, and the end that sends requests.
pub(crate) type Http2 = (SendRequest<Bytes>, Connection<TlsStream<TcpStream>, Bytes>);

/// Connects to a server that shows `issuer.crt`.
pub(crate) async fn connect(address: SocketAddr, builder: &Builder) -> Http2 {
    _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    for certificate in
        rustls::pki_types::CertificateDer::pem_file_iter(given("issuer-ca.crt")).unwrap()
    {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(address).await.unwrap();
    let name = address.ip().into();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    builder.handshake(stream).await.unwrap()
}

/// `GET` of a target.
pub(crate) fn get(address: SocketAddr, target: &str) -> http::Request<()> {
    http::Request::get(format!("https://{address}{target}")).body(()).unwrap()
}

/// Runs a test that has to be done within a minute.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = async { tokio::time::timeout(Duration::from_secs(60), test).await };
    runtime.block_on(done).expect("not done within a minute")
}
