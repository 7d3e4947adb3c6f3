//! Clients that pause, dawdle or say nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use h2::client::Builder;
use rns_testing::{FixtureStore, Server, Tree, http};

use crate::support::{http2, nar_of, server, tls::speaking_tls};

fn limited(store: &FixtureStore, limits: &str) -> Server {
    server().store(store).section(&format!("[limits]\n{limits}")).start()
}

#[test]
fn a_client_that_pauses_in_an_answer_is_not_taken_for_idle() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(16 << 20));
    let server = limited(&store, "idle_timeout = \"1s\"");
    let target = nar_of(&server, &path);
    // Some fit into the buffers on the way, some do not.
    let mut downloads: Vec<_> = (1..=16)
        .map(|mebibytes: u64| {
            let last = (mebibytes << 20) - 1;
            let range = format!("bytes=0-{last}");
            let mut connection = server.connect();
            let (head, body) =
                connection.start(&http::Request::get(&target).header("Range", range));
            assert_eq!(head.status, 206);
            (last, connection, body)
        })
        .collect();
    thread::sleep(Duration::from_secs(5));
    let mut cut = Vec::new();
    for (last, connection, body) in &mut downloads {
        let mut buffer = vec![0; 1 << 20];
        while connection.read_body(body, &mut buffer) > 0 {}
        if body.ended() != Some(true) {
            cut.push(*last);
        }
    }
    assert!(cut.is_empty(), "answers that were cut off, by their last byte: {cut:?}");
}

#[test]
fn a_connection_without_a_request_is_closed_after_a_while() {
    let store = FixtureStore::new();
    let server = limited(&store, "idle_timeout = \"1s\"");
    let mut connection = server.connect();
    let request = http::Request::get("/nix-cache-info");
    assert_eq!(connection.send(&request).status(), 200);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(connection.send(&request).status(), 200, "it is used again in time");
    assert!(connection.is_closed_within(Duration::from_secs(4)));
}

#[test]
fn half_a_request_is_given_up() {
    let store = FixtureStore::new();
    let server = limited(&store, "header_timeout = \"1s\"");
    let mut connection = server.connect();
    let start = Instant::now();
    connection.send_raw(b"GET /nix-cache-info HTTP/1.1\r\nHost:");
    let answer = connection.read_response();
    assert!(start.elapsed() >= Duration::from_millis(800), "{:?}", start.elapsed());
    assert!(answer.is_none_or(|answer| answer.status() == 408));
    assert!(connection.is_closed_within(Duration::from_secs(4)));
    assert_eq!(server.get("/nix-cache-info").status(), 200);
}

/// Sends bytes one by one until the connection is closed, which must happen within a minute.
fn drip_until_closed(connection: &mut http::Connection, bytes: &[u8]) {
    let start = Instant::now();
    for byte in bytes.iter().cycle() {
        connection.send_raw(&[*byte]);
        if connection.is_closed_within(Duration::from_millis(100)) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it is still open after a minute");
    }
}

#[test]
fn every_head_of_a_connection_must_come_in_time() {
    let store = FixtureStore::new();
    let server = limited(&store, "header_timeout = \"1s\"\nidle_timeout = \"10m\"");
    for earlier in 1..3 {
        let mut connection = server.connect();
        for _ in 0..earlier {
            assert_eq!(connection.send(&http::Request::get("/nix-cache-info")).status(), 200);
        }
        connection.send_raw(b"GET /nix-cache-info HTTP/1.1\r\nHost: x\r\nX: ");
        drip_until_closed(&mut connection, b"x");
    }
}

#[test]
fn a_head_that_begins_behind_another_request_must_come_in_time_too() {
    let store = FixtureStore::new();
    let server = limited(&store, "header_timeout = \"1s\"\nidle_timeout = \"10m\"");
    // The framework answers the first, and neither it nor the socket sees where the third begins.
    let requests = [
        "GET /nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /00000000000000000000000000000000.narinfo HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for earlier in 1..=2 {
        let mut connection = server.connect();
        let mut bytes = requests[..earlier].concat();
        bytes.push_str("GET /nix-cache-info HTTP/1.1\r\nHost: x\r\nX: ");
        connection.send_raw(bytes.as_bytes());
        for status in &[200, 404][..earlier] {
            assert_eq!(connection.read_response().unwrap().status(), *status);
        }
        assert!(connection.is_closed_within(Duration::from_secs(60)), "behind {earlier}");
    }
}

#[test]
fn the_body_of_a_refused_request_must_come_in_time_too() {
    let store = FixtureStore::new();
    let server = limited(&store, "header_timeout = \"1s\"\nidle_timeout = \"10m\"");
    for length in ["Transfer-Encoding: chunked", "Content-Length: 1000000"] {
        let mut connection = server.connect();
        let head = format!("PUT /nix-cache-info HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n");
        connection.send_raw(head.as_bytes());
        assert_eq!(connection.read_response().unwrap().status(), 405);
        drip_until_closed(&mut connection, b"1\r\nx\r\n");
    }
}

#[test]
fn a_short_idle_timeout_holds_where_tls_is_configured() {
    let store = FixtureStore::new();
    let server = speaking_tls("issuer.crt", "issuer.key")
        .listen(["127.0.0.1:0", "tls://127.0.0.1:0"])
        .store(&store)
        .section("[limits]\nidle_timeout = \"1s\"")
        .start();
    let mut connection = server.connect();
    assert_eq!(connection.send(&http::Request::get("/nix-cache-info")).status(), 200);
    assert!(connection.is_closed_within(Duration::from_secs(60)));

    let encrypted = server.urls()[1].strip_prefix("https://").unwrap().parse().unwrap();
    http2::run(async {
        let (mut requests, connection) = http2::connect(encrypted, &Builder::new()).await;
        let driving = tokio::spawn(connection);
        let request = http2::get(encrypted, "/nix-cache-info");
        assert_eq!(requests.send_request(request, true).unwrap().0.await.unwrap().status(), 200);
        _ = driving.await;
    });
}
