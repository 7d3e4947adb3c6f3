//! Certificates that clients refuse, or will soon; and servers of HTTPS that do not offer HTTP/2.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use rns_testing::{Scratch, Standard, run};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Diagnosis, Doctor,
    proxies::{Mistakes, WrongFront},
};
use crate::support::{
    PUBLIC_KEY, SECRET_KEY, is_installed, serve,
    tls::{given, show, speaking_tls},
};

#[test]
fn an_expired_certificate() {
    let standard = Standard::new();
    let server = speaking_tls("expired.crt", "expired.key")
        .store(&standard.store)
        .keys([SECRET_KEY])
        .start();
    let url = server.url().replace("127.0.0.1", "localhost");
    let doctor = Doctor::of(&url).store(standard.store.root()).args(["--key", PUBLIC_KEY]);
    let authorities = doctor.scratch.join("authorities");
    std::fs::copy(given("expired.crt"), &authorities).unwrap();
    let mut doctor = doctor.env("NIX_SSL_CERT_FILE", &authorities);
    let diagnosis = doctor.look();
    diagnosis.names(&["tls-expired"]);
    assert!(diagnosis.mend().starts_with("renew the certificate of localhost"));
    if !is_installed("openssl") {
        return;
    }
    // Its server gets a new one.
    let (certificate, key) = made(server.scratch().path(), 30);
    std::fs::copy(&certificate, &authorities).unwrap();
    show(server.scratch().path(), certificate.to_str().unwrap(), key.to_str().unwrap());
    server.signal(rustix::process::Signal::HUP);
    crate::support::eventually(|| doctor.look().code == 0);
    doctor.run().is_silent();
}

#[test]
fn a_certificate_that_no_authority_of_this_machine_signed() {
    let standard = Standard::new();
    let server =
        speaking_tls("issuer.crt", "issuer.key").store(&standard.store).keys([SECRET_KEY]).start();
    let doctor = Doctor::of(server.url()).env("NIX_SSL_CERT_FILE", given("ca.crt"));
    let diagnosis = doctor.store(standard.store.root()).args(["--key", PUBLIC_KEY]).run();
    diagnosis.names(&["tls-untrusted"]);
}

#[test]
fn a_certificate_for_another_name() {
    let standard = Standard::new();
    // It is for 127.0.0.1.
    let server = speaking_tls("issuer.crt", "issuer.key")
        .listen(["tls://127.0.0.2:0"])
        .store(&standard.store)
        .keys([SECRET_KEY])
        .start();
    let doctor = Doctor::of(server.url()).env("NIX_SSL_CERT_FILE", given("issuer-ca.crt"));
    let diagnosis = doctor.store(standard.store.root()).args(["--key", PUBLIC_KEY]).run();
    diagnosis.names(&["tls-wrong-name"]);
}

/// A certificate for 127.0.0.1 that ends after so many days, and its key.
fn made(directory: &Path, days: u32) -> (PathBuf, PathBuf) {
    let configuration = "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n\
        [name]\nCN = localhost\n\
        [extensions]\nsubjectAltName = IP:127.0.0.1, DNS:localhost\nbasicConstraints = critical, CA:FALSE\n";
    let file = |name: &str| directory.join(name);
    std::fs::write(file("openssl.conf"), configuration).unwrap();
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]);
    command.args(["ec_paramgen_curve:P-256", "-days", &days.to_string(), "-config"]);
    command.arg(file("openssl.conf"));
    command.arg("-keyout").arg(file("key")).arg("-out").arg(file("crt"));
    run(&mut command, Duration::from_secs(60)).success();
    (file("crt"), file("key"))
}

#[test]
fn a_certificate_that_is_over_within_days() {
    if !is_installed("openssl") {
        return;
    }
    let (standard, scratch) = (Standard::new(), Scratch::new());
    for (days, is_soon) in [(3, true), (30, false)] {
        let (certificate, key) = made(scratch.path(), days);
        let server = speaking_tls(certificate.to_str().unwrap(), key.to_str().unwrap())
            .store(&standard.store)
            .keys([SECRET_KEY])
            .start();
        let doctor = Doctor::of(server.url()).env("NIX_SSL_CERT_FILE", &certificate);
        let diagnosis = doctor.store(standard.store.root()).args(["--key", PUBLIC_KEY]).run();
        if is_soon {
            diagnosis.names(&["tls-expires-soon"]);
        } else {
            diagnosis.is_silent();
        }
    }
}

/// A look at a good server through something that speaks TLS for it.
fn through_tls(standard: &Standard, url: &str) -> Diagnosis {
    let doctor = Doctor::of(url).env("NIX_SSL_CERT_FILE", given("issuer-ca.crt"));
    doctor.args(["--path", standard.executable.as_str(), "--key", PUBLIC_KEY]).run()
}

/// That nothing is wrong, and that the absence of HTTP/2 is hinted at with these words.
#[track_caller]
fn assert_hint(diagnosis: &Diagnosis, words: &str) {
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 0), "{:#}", diagnosis.json);
    let hint = &diagnosis.json["hints"][0];
    assert_eq!(hint["check"], "http2", "{:#}", diagnosis.json);
    assert!(hint["what"].as_str().unwrap().contains(words), "{hint}");
    assert!(hint["mend"].as_str().unwrap().contains("http2 on;"), "{hint}");
}

#[test]
fn a_front_that_knows_http_1_alone() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let (certificate, key) = (given("issuer.crt"), given("issuer.key"));
    let tls = format!(
        "ssl_certificate {}; ssl_certificate_key {};",
        certificate.display(),
        key.display()
    );
    let mistakes = Mistakes { listen: "ssl", server: &tls, ..Mistakes::default() };
    let front = WrongFront::with(server.address(), &mistakes);
    let url = front.url.replace("http:", "https:");
    assert_hint(&through_tls(&standard, &url), "chooses HTTP/1.1");
}

#[test]
fn a_front_without_alpn() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let url = without_alpn(server.address());
    assert_hint(&through_tls(&standard, &url), "ALPN is missing");
}

/// Something that speaks TLS in front of a server, and answers no offer of protocols.
fn without_alpn(upstream: SocketAddr) -> String {
    _ = rustls::crypto::ring::default_provider().install_default();
    let chain = CertificateDer::pem_file_iter(given("issuer.crt")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(given("issuer.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(upstream).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
    });
    url
}
