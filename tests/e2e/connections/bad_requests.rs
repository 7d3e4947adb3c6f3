//! Requests that no client should send: each gets an answer or the end of its connection, and no other
//! client notices.

use std::time::{Duration, Instant};

use rns_testing::{
    FixtureStore, Server, Standard,
    http::{Connection, Request, Response},
};

use crate::support::{assert_refusal, eventually, narinfo_of, serve, server};

/// The result of raw bytes: an answer, or `None` when the connection was closed.
fn send(server: &Server, bytes: impl AsRef<[u8]>) -> Option<Response> {
    let mut connection = server.connect();
    connection.send_raw(bytes.as_ref());
    connection.read_response()
}

#[track_caller]
fn assert_refused(answer: Option<Response>, statuses: &[u16]) {
    if let Some(answer) = answer {
        assert!(statuses.contains(&answer.status()), "{answer:?}");
        assert_refusal(&answer, answer.status());
    }
}

#[track_caller]
fn assert_serving(server: &Server) {
    server.get("/nix-cache-info").ok();
}

#[test]
fn huge_headers_are_refused() {
    let store = FixtureStore::new();
    let server = serve(&store);
    let head = "GET /nix-cache-info HTTP/1.1\r\nHost: x\r\n";
    let one = format!("{head}X-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_refused(send(&server, one), &[400, 413, 431]);
    let many: String = (0..20_000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    assert_refused(send(&server, format!("{head}{many}\r\n")), &[400, 413, 431]);
    let name = format!("{head}{}: x\r\n\r\n", "n".repeat(1 << 17));
    assert_refused(send(&server, name), &[400, 413, 431]);
    assert_serving(&server);
}

#[test]
fn headers_without_end_do_not_fill_the_memory() {
    let store = FixtureStore::new();
    let server = serve(&store);
    let before = server.resident_bytes();
    let mut connections: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for connection in &mut connections {
        connection.send_raw(b"GET / HTTP/1.1\r\n");
        for _ in 0..256 {
            connection.send_raw(format!("X: {}\r\n", "x".repeat(1 << 14)).as_bytes());
        }
    }
    assert!(server.resident_bytes() < before + (32 << 20));
    for connection in &mut connections {
        assert!(connection.is_closed_within(Duration::from_secs(10)));
    }
    assert_serving(&server);
}

#[test]
fn a_huge_target_is_refused() {
    let store = FixtureStore::new();
    let server = serve(&store);
    for len in [5_000, 60_000, 1 << 20] {
        let target = "/".to_owned() + &"a".repeat(len);
        assert_refused(send(&server, Request::get(target).to_bytes()), &[400, 404, 413, 414, 431]);
    }
    assert_serving(&server);
}

#[test]
fn half_a_request_is_waited_for_only_so_long() {
    let store = FixtureStore::new();
    let server = server().store(&store).section("[limits]\nheader_timeout = \"1s\"").start();
    for half in ["G", "GET /nix-cache-info", "GET /nix-cache-info HTTP/1.1\r\nHost: x\r\n"] {
        let mut connection = server.connect();
        connection.send_raw(half.as_bytes());
        assert_serving(&server);
        let begin = Instant::now();
        assert!(connection.is_closed_within(Duration::from_secs(10)), "{half:?}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{half:?} took {:?}", begin.elapsed());
    }
}

#[test]
fn a_request_that_drips_is_cut_off() {
    let store = FixtureStore::new();
    let server = server().store(&store).section("[limits]\nheader_timeout = \"1s\"").start();
    let mut connection = server.connect();
    connection.send_raw(b"GET /nix-cache-info HTTP/1.1\r\n");
    let begin = Instant::now();
    while !connection.is_closed_within(Duration::from_millis(200)) {
        connection.send_raw(b"X: y\r\n");
        assert!(begin.elapsed() < Duration::from_secs(8), "still waiting for the rest");
    }
}

#[test]
fn half_a_request_and_a_closed_connection_leave_nothing_behind() {
    let store = FixtureStore::new();
    let server = serve(&store);
    assert_serving(&server);
    assert_refusal(&server.get("/00000000000000000000000000000000.narinfo"), 404);
    let files = server.open_files();
    for _ in 0..200 {
        let mut connection = server.connect();
        connection.send_raw(b"GET /nix-cache-info HTT");
    }
    eventually(|| server.open_files() <= files);
    let mut connection = server.connect();
    connection.send_raw(b"GET /nix-cache-info HTT");
    connection.end_sending();
    assert!(connection.is_closed_within(Duration::from_secs(10)));
}

#[test]
fn bytes_that_are_no_request_are_refused() {
    let store = FixtureStore::new();
    let server = serve(&store);
    let junk: [&[u8]; 12] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\r\n\r\n\r\n\r\nnonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for bytes in junk {
        let mut connection = server.connect();
        connection.send_raw(bytes);
        connection.end_sending();
        assert_refused(connection.read_response(), &[400, 404, 405, 414, 501, 505]);
    }
    assert_serving(&server);
}

#[test]
fn two_lengths_for_one_body_are_refused() {
    let store = FixtureStore::new();
    let server = serve(&store);
    let heads = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ];
    for head in heads {
        let bytes = format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let mut connection = server.connect();
        connection.send_raw(bytes.as_bytes());
        assert_refused(connection.read_response(), &[400, 405, 411, 413, 501]);
    }
    assert_serving(&server);
}

#[test]
fn a_body_is_not_waited_for() {
    let store = FixtureStore::new();
    let server = serve(&store);
    for head in [
        "Content-Length: 99999999999\r\n",
        "Content-Length: 9\r\nExpect: 100-continue\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let mut connection = server.connect();
        connection
            .send_raw(format!("PUT /nix-cache-info HTTP/1.1\r\nHost: x\r\n{head}\r\n").as_bytes());
        let mut answer = connection.read_response().unwrap();
        if answer.status() == 100 {
            answer = connection.read_response().unwrap();
        }
        assert_refusal(&answer, 405);
    }
}

#[test]
fn what_follows_a_refused_body_is_not_taken_for_a_request() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let mut connection = server.connect();
    connection.send_raw(
        &Request::new("POST", "/").body("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n").to_bytes(),
    );
    assert_refusal(&connection.read_response().unwrap(), 405);
    connection.send_raw(&Request::get(narinfo_of(&standard.tree)).to_bytes());
    // Either the connection was closed, or this is the answer to the second request.
    if let Some(answer) = connection.read_response() {
        answer.ok();
        assert!(answer.text().starts_with("StorePath: "), "{}", answer.text());
    }
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let paths = [&standard.tree, &standard.top, &standard.itself, &standard.dep];
    let mut connection = server.connect();
    let requests: Vec<u8> =
        paths.iter().flat_map(|path| Request::get(narinfo_of(path)).to_bytes()).collect();
    connection.send_raw(&requests);
    for path in paths {
        let answer = connection.read_response().unwrap();
        assert!(answer.text().contains(path.as_str()), "{}", answer.text());
    }
}

#[test]
fn old_and_odd_spellings_of_a_request_are_served() {
    let store = FixtureStore::new();
    let server = serve(&store);
    let old = send(&server, "GET /nix-cache-info HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(old.status(), 200);
    let absolute =
        send(&server, "GET http://elsewhere/nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(absolute.status(), 200);
    for star in
        ["OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "get /nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        assert_refused(send(&server, star), &[400, 405]);
    }
    let mut connection = server.connect();
    let closing = connection.send(&Request::get("/nix-cache-info").header("Connection", "close"));
    closing.ok();
    assert!(connection.is_closed_within(Duration::from_secs(5)));
}

#[test]
fn more_connections_than_allowed_wait_their_turn() {
    let store = FixtureStore::new();
    let server = server()
        .store(&store)
        .section("[limits]\nconnections = 8\nheader_timeout = \"1s\"")
        .start();
    let idle: Vec<Connection> = (0..40).map(|_| server.connect()).collect();
    // Those that only sit there are closed, and make room; so may be one whose request comes while they are taken in.
    let request = Request::get("/nix-cache-info").to_bytes();
    eventually(|| send(&server, &request).is_some_and(|answer| answer.status() == 200));
    drop(idle);
    assert_serving(&server);
}
