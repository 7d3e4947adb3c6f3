//! Whose address a refusal is logged with: that of the client, where a trusted proxy names it.

use rns_testing::{
    FixtureStore, Server, ServerBuilder,
    http::{Connection, Request},
};

use crate::support::{assert_logged, server};

/// A private cache.
fn private(store: &FixtureStore, access: &str) -> ServerBuilder {
    server()
        .store(store)
        .section(&format!("[access]\nanonymous = []\nfailure_delay = \"10ms\"\n{access}"))
}

/// A request with a wrong token that is said to have come such a way.
fn wrong(way: &str) -> Request {
    Request::get("/nix-cache-info")
        .header("Authorization", "Bearer no")
        .header("X-Forwarded-For", way)
}

fn assert_from(server: &Server, address: &str) {
    assert_logged(server, &format!("address={address}"));
}

#[test]
fn a_client_does_not_choose_its_address() {
    let store = FixtureStore::new();
    let server = private(&store, "").start();
    assert_eq!(server.connect().send(&wrong("203.0.113.7")).status(), 401);
    assert_from(&server, "127.0.0.1");
    assert!(!server.stderr().contains("203.0.113.7"), "{}", server.stderr());
}

#[test]
fn the_last_that_is_no_proxy_is_the_client() {
    let store = FixtureStore::new();
    let server = private(&store, "trusted_proxies = [\"127.0.0.0/8\", \"10.1.2.3\"]\n").start();
    assert_eq!(server.connect().send(&wrong("198.51.100.1, 203.0.113.7, 10.1.2.3")).status(), 401);
    assert_from(&server, "203.0.113.7");
    assert_eq!(server.connect().send(&wrong("2001:db8::1")).status(), 401);
    assert_from(&server, "2001:db8::1");
    assert!(!server.stderr().contains("198.51.100.1"), "{}", server.stderr());
}

#[test]
fn nginx_is_believed_on_its_own_socket_and_others_on_theirs_are_not() {
    let store = FixtureStore::new();
    let builder = private(&store, "");
    let sockets = ["nginx.sock", "other.sock"].map(|name| builder.scratch().join(name));
    let listen = sockets.each_ref().map(|path| format!("unix:{}", path.display()));
    let server = builder
        .section(&format!("[nginx]\nlisten = {:?}", listen[0]))
        .listen(listen.iter().map(String::as_str))
        .start();
    assert_eq!(Connection::unix(&sockets[1]).send(&wrong("198.51.100.1")).status(), 401);
    assert_from(&server, "unknown");
    assert_eq!(Connection::unix(&sockets[0]).send(&wrong("203.0.113.7")).status(), 401);
    assert_from(&server, "203.0.113.7");
    // Bytes that are no text, sent by the client, before the value that nginx appends.
    let hiding = wrong("\u{ff}, 203.0.113.8");
    assert_eq!(Connection::unix(&sockets[0]).send(&hiding).status(), 401);
    assert_from(&server, "203.0.113.8");
    assert!(!server.stderr().contains("198.51.100.1"), "{}", server.stderr());
}
