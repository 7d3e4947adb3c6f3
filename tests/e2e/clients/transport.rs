//! Checks C59 and C60: TLS, both versions of HTTP, and clients that send credentials.

use rns_testing::{Proxy, Server, Standard};

use crate::support::{PUBLIC_KEY, SECRET_KEY, full, nixes, serve, server};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.crt");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.key");

fn serve_tls(standard: &Standard) -> Server {
    let section = format!("[tls]\ncertificate = {CERTIFICATE:?}\nkey = {KEY:?}");
    server()
        .store(&standard.store)
        .keys([SECRET_KEY])
        .listen(["tls://127.0.0.1:0"])
        .section(&section)
        .start()
}

#[test]
fn real_nix_speaks_http2_over_tls() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve_tls(&standard);
        assert!(server.url().starts_with("https://"), "{}", server.url());
        let client = nix.client().env("NIX_SSL_CERT_FILE", CERTIFICATE);
        let client = client.substituting_from(server.url(), PUBLIC_KEY);
        let paths = [&standard.itself, &standard.blob, &standard.tree, &standard.special].map(full);
        let said = rns_testing::run(
            client.command("nix-store").arg("-vvvvv").arg("--realise").args(paths),
            std::time::Duration::from_secs(60),
        );
        let said = said.success();
        assert!(said.stderr.contains("HTTP/2 200"), "Nix {}:\n{}", nix.version, said.stderr);
        assert!(
            client.dump(&client.real_path(standard.blob.as_str()))
                == standard.store.nar(&standard.blob)
        );
    }
}

#[test]
fn c60_clients_that_switch_http2_off_are_served() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve_tls(&standard);
        let client = nix.client().env("NIX_SSL_CERT_FILE", CERTIFICATE).option("http2", "false");
        let client = client.substituting_from(server.url(), PUBLIC_KEY);
        let said = rns_testing::run(
            client.command("nix-store").arg("-vvvvv").arg("--realise").arg(full(&standard.blob)),
            std::time::Duration::from_secs(60),
        );
        let said = said.success();
        assert!(
            said.stderr.contains("HTTP/1.1 200") && !said.stderr.contains("HTTP/2 200"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn a_certificate_that_the_client_does_not_know_is_the_end() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve_tls(&standard);
        let client = nix
            .client()
            .substituting_from(server.url(), PUBLIC_KEY)
            .option("download-attempts", "1");
        client.realise([full(&standard.executable)]).failure();
    }
}

#[test]
fn c59_credentials_are_not_asked_for_and_do_no_harm() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let proxy = Proxy::recording(server.address());
        let client = nix.client();
        let netrc =
            client.scratch().write("netrc", "machine 127.0.0.1 login someone password secret\n");
        let client = client
            .substituting_from(&proxy.url(), PUBLIC_KEY)
            .option("netrc-file", netrc.to_str().unwrap());
        client.realise([full(&standard.executable)]).success();
        let requests = proxy.requests();
        assert!(
            requests.iter().all(|request| request.header("authorization").is_some()),
            "{requests:#?}"
        );
        assert!(!server.stderr().contains("secret"), "{}", server.stderr());
    }
}
