//! Listeners for those who watch the service.

use rns_testing::{Server, Standard, http};

use crate::support::{assert_refusal, narinfo_of, server};

const METHODS: [&str; 6] = ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"];

/// Where the server says the metrics are.
fn metrics(server: &Server) -> String {
    let said = server.stderr();
    let url = said.lines().find_map(|line| line.split_once("metrics are on ")).unwrap().1;
    url.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn every_client_gets_metrics_and_health_and_nothing_else() {
    let standard = Standard::new();
    let server = server()
        .store(&standard.store)
        .section("[access]\nanonymous = []\n[metrics]\nlisten = [\"127.0.0.1:0\"]")
        .start();
    let url = metrics(&server);
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let ask = |method: &str, target: &str| {
        http::Connection::tcp(address).send(&http::Request::new(method, target))
    };

    let text = ask("GET", "/metrics");
    assert!(String::from_utf8_lossy(text.ok()).contains("rust_nix_serve"), "{text:?}");
    for method in METHODS.into_iter().chain(["GET"]) {
        assert_eq!(ask(method, "/healthz").text(), "OK\n");
        assert_eq!(ask(method, "/readyz").status(), 200);
    }
    assert_eq!(ask("HEAD", "/metrics").status(), 200);
    let narinfo = narinfo_of(&standard.tree);
    let serve = format!("/serve/{}/", standard.tree.hash_part());
    for target in ["/", "/nix-cache-info", "/pubkey", "/version", "/nowhere", &narinfo, &serve] {
        assert_refusal(&ask("GET", target), 404);
        for method in METHODS {
            assert_refusal(&ask(method, target), 405);
        }
    }
    // Elsewhere the rules of the cache hold.
    assert_refusal(&server.get("/metrics"), 401);
    assert_refusal(&server.get(&narinfo), 401);
    server.get("/healthz").ok();
}

#[test]
fn a_unix_socket_can_be_the_listener_of_those_who_watch() {
    let standard = Standard::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.sock");
    let server = server()
        .store(&standard.store)
        .section(&format!("[metrics]\nlisten = [\"unix:{}\"]", path.display()))
        .start();
    let ask = |target: &str| http::Connection::unix(&path).send(&http::Request::get(target));
    ask("/metrics").ok();
    assert_refusal(&ask("/nix-cache-info"), 404);
    assert_eq!(server.urls().len(), 1, "clients are not sent there: {:?}", server.urls());
}
