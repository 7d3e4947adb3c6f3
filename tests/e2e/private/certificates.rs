//! Client certificates, shown to the server itself.

use std::{fs, path::PathBuf};

use rns_testing::{Server, ServerBuilder, Standard, http::Request};
use rustix::process::Signal;

use crate::support::certificates::{RULES, client, given, showing, status};
use crate::support::{
    PUBLIC_KEY, SECRET_KEY, assert_logged, assert_refuses_to_start, full, is_installed, narinfo_of,
    server,
};

/// A private cache that asks for certificates of clients.
fn asking(standard: &Standard) -> ServerBuilder {
    let builder = server().store(&standard.store).keys([SECRET_KEY]).listen(["tls://127.0.0.1:0"]);
    let ca = client_ca(&builder, "ca.crt");
    let (certificate, key) = (given("one.crt"), given("one.key"));
    builder.section(&format!(
        "{RULES}[tls]\ncertificate = {certificate:?}\nkey = {key:?}\nclient_ca = {ca:?}"
    ))
}

fn client_ca(builder: &ServerBuilder, name: &str) -> PathBuf {
    let ca = builder.scratch().join("client-ca.crt");
    fs::copy(given(name), &ca).unwrap();
    ca
}

fn info(server: &Server) -> String {
    format!("{}/nix-cache-info", server.url())
}

/// The address of a server for Nix, whose name is in the certificate.
fn named(server: &Server) -> String {
    format!("https://localhost:{}", server.address().port())
}

#[test]
fn real_nix_shows_its_certificate_and_reads_a_private_cache() {
    let standard = Standard::new();
    let server = asking(&standard).start();
    let Some(client) = client() else { return };
    let url = showing(&named(&server), "ci");
    let client = client.substituting_from(&url, PUBLIC_KEY);
    client.realise([full(&standard.itself), full(&standard.blob)]).success();
    let copy = client.dump(&client.real_path(standard.blob.as_str()));
    assert!(copy == standard.store.nar(&standard.blob));
}

#[test]
fn real_nix_reads_nothing_with_the_certificate_of_somebody_else_or_none() {
    let standard = Standard::new();
    let server = asking(&standard).start();
    for url in
        [showing(&named(&server), "stranger"), showing(&named(&server), "impostor"), named(&server)]
    {
        let Some(client) = client() else { return };
        let client = client.substituting_from(&url, PUBLIC_KEY);
        client.realise([full(&standard.blob)]).failure();
        assert!(!client.real_path(standard.blob.as_str()).exists());
    }
}

#[test]
fn a_certificate_is_worth_what_its_subject_says() {
    if !is_installed("curl") {
        return;
    }
    let standard = Standard::new();
    let server = asking(&standard).start();
    let narinfo = format!("{}{}", server.url(), narinfo_of(&standard.blob));
    for url in [&info(&server), &narinfo] {
        assert_eq!(status(url, Some("ci")), "200");
        assert_eq!(status(url, Some("stranger")), "403", "its CA is known, its subject is not");
        assert_eq!(status(url, None), "401");
        assert_eq!(status(url, Some("impostor")), "000", "its CA is not known: no connection");
    }
    // Others than the subject's holder may see that the server lives.
    assert_eq!(status(&format!("{}/healthz", server.url()), None), "200");
}

#[test]
fn another_ca_counts_from_its_reload_on() {
    if !is_installed("curl") {
        return;
    }
    let standard = Standard::new();
    let builder = asking(&standard);
    let ca = builder.scratch().join("client-ca.crt");
    let mut server = builder.start();
    assert_eq!(status(&info(&server), Some("ci")), "200");

    fs::write(&ca, "nothing").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_line("reload refused");
    assert_eq!(status(&info(&server), Some("ci")), "200", "the last good one stays");

    fs::copy(given("other-ca.crt"), &ca).unwrap();
    server.wait_for_line("a TLS certificate has changed");
    assert_eq!(status(&info(&server), Some("ci")), "000");
    assert_eq!(status(&info(&server), Some("impostor")), "200", "it is signed by this CA");
}

#[test]
fn an_unusable_ca_is_named_at_the_start() {
    let standard = Standard::new();
    let builder = asking(&standard);
    fs::copy(given("one.key"), builder.scratch().join("client-ca.crt")).unwrap();
    let (mut process, _scratch) = builder.spawn();
    assert_refuses_to_start(&mut process, "client-ca.crt: there is no certificate in it");
}

#[test]
fn what_only_nginx_may_say_is_believed_of_nobody_else() {
    let standard = Standard::new();
    let claim = |target: &str| {
        Request::get(target)
            .header("X-SSL-Client-Verify", "SUCCESS")
            .header("X-SSL-Client-S-DN", "CN=ci,O=Ex\\C3\\A4mple\\, Inc.")
    };
    let private = server().store(&standard.store).section(RULES).start();
    let refused = private.connect().send(&claim("/nix-cache-info"));
    assert_eq!(refused.status(), 401);
    assert_logged(&private, "headers about a certificate that did not come from nginx");

    // Not even of nginx, where all users can connect.
    let (certificate, key, ca) = (given("one.crt"), given("one.key"), given("ca.crt"));
    let tcp = server()
        .store(&standard.store)
        .section(RULES)
        .section("[nginx]\nlisten = \"127.0.0.1:0\"")
        .section(&format!(
            "[tls]\ncertificate = {certificate:?}\nkey = {key:?}\nclient_ca = {ca:?}"
        ))
        .listen(["127.0.0.1:0", "tls://127.0.0.1:0"])
        .start();
    assert_eq!(tcp.connect().send(&claim("/nix-cache-info")).status(), 401);
    assert_logged(&tcp, "nginx on a unix socket");
    let none = Request::get("/nix-cache-info").header("X-SSL-Client-Verify", "NONE");
    assert_eq!(tcp.connect().send(&none).status(), 401);

    let public = server().store(&standard.store).start();
    public.connect().send(&claim("/nix-cache-info")).ok();
    let metrics = public.get("/metrics");
    let counted = |line: &&str| line.starts_with("rust_nix_serve_") && line.contains("refused");
    let line = metrics.text().lines().find(counted).unwrap_or_default();
    assert!(line.ends_with(" 0"), "nobody needs a certificate there: {line:?}");
}

#[test]
fn a_certificate_that_ends_the_handshake_is_told_to_the_operator() {
    if !is_installed("curl") {
        return;
    }
    let server = asking(&Standard::new()).start();
    let url = format!("{}/nix-cache-info", server.url());
    assert_eq!(status(&url, Some("version-1")), "000");
    assert_logged(&server, "refused the certificate of a client: it is of X.509 version 1");
    assert_eq!(status(&url, Some("impostor")), "000");
    assert_logged(&server, "refused the certificate of a client: it is signed by");
}
