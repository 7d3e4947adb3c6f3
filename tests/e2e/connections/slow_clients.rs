//! Clients that pause, dawdle or say nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use rns_testing::{FixtureStore, Server, Tree, http};

use crate::support::{nar_of, server};

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
