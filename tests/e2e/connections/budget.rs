//! The bound of bodies on their way to clients, and clients that take nothing of theirs.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use h2::client::Builder;
use rns_testing::{FixtureStore, Server, Tree, http};

use crate::support::{
    eventually,
    http2::{connect, get, run},
    nar_of, server,
    tls::speaking_tls,
};

/// Asks for something and reads nothing of the body.
fn begin(server: &Server, target: &str) -> http::Connection {
    let mut connection = server.connect();
    assert_eq!(connection.start(&http::Request::get(target)).0.status, 200);
    connection
}

#[test]
fn a_client_that_takes_nothing_makes_room_for_others() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(64 << 20));
    let server = server().store(&store).section("[limits]\ndownloads = 4").start();
    let nar = nar_of(&server, &path);
    let stalled: Vec<_> = (0..4).map(|_| begin(&server, &nar)).collect();
    for _ in 0..2 {
        let answer = server.connect().send(&http::Request::get(&nar).header("Range", "bytes=0-9"));
        assert_eq!((answer.status(), answer.body.len()), (206, 10));
    }
    drop(stalled);
}

#[test]
fn streams_without_a_window_make_room_for_others() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(64 << 20));
    let server = speaking_tls("issuer.crt", "issuer.key")
        .listen(["tls://127.0.0.1:0", "127.0.0.1:0"])
        .store(&store)
        .section("[limits]\ndownloads = 4")
        .start();
    let encrypted = server.address();
    let plain = server.urls()[1].strip_prefix("http://").unwrap().parse().unwrap();
    let nar = format!("/nar/{}.nar", path.hash_part());
    run(async {
        let mut builder = Builder::new();
        builder.initial_window_size(0);
        let (mut requests, connection) = connect(encrypted, &builder).await;
        let driving = tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..4 {
            let answer = requests.send_request(get(encrypted, &nar), true).unwrap().0;
            answers.push(answer.await.unwrap());
        }
        let request = http::Request::get(&nar).header("Range", "bytes=0-9");
        let other =
            tokio::task::spawn_blocking(move || http::Connection::tcp(plain).send(&request));
        assert_eq!(other.await.unwrap().status(), 206);
        drop((answers, driving));
    });
}

#[test]
fn a_full_server_says_so() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(1 << 30));
    let server = server().store(&store).section("[limits]\ndownloads = 1").start();
    let nar = nar_of(&server, &path);
    let mut connection = server.connect();
    let (head, mut body) = connection.start(&http::Request::get(&nar));
    assert_eq!(head.status, 200);
    let mut waiting = server.connect();
    waiting.send_raw(&http::Request::get(&nar).to_bytes());
    let start = Instant::now();
    loop {
        // It takes some now and then, so it is not sent away.
        connection.read_body(&mut body, &mut vec![0; 1 << 20]);
        let ready = server.get("/readyz");
        if ready.status() == 503 {
            assert!(ready.text().contains("requests wait for others"), "{ready:?}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it says that all is well");
        thread::sleep(Duration::from_millis(200));
    }
    assert!(server.get("/metrics").text().contains("\nrust_nix_serve_requests_waiting 1\n"));
    drop(connection);
    assert_eq!(waiting.read_head().unwrap().status, 200);
}

#[test]
fn large_listings_take_no_more_memory_than_they_may() {
    let name = |index: usize| format!("{index:0>200}");
    let files: BTreeMap<_, _> = (0..12_000).map(|index| (name(index), Tree::file(""))).collect();
    let mut store = FixtureStore::new();
    let path = store.add("many", Tree::directory(files));
    let server = speaking_tls("issuer.crt", "issuer.key")
        .listen(["tls://127.0.0.1:0", "127.0.0.1:0"])
        .store(&store)
        .section("[limits]\nsend_memory = \"16MiB\"")
        .start();
    let encrypted = server.address();
    let plain = server.urls()[1].strip_prefix("http://").unwrap().parse().unwrap();
    let listing = format!("/{}.ls", path.hash_part());
    let whole = http::Connection::tcp(plain).send(&http::Request::get(&listing)).ok().len();
    assert!(whole > 2 << 20, "{whole}");
    let before = server.resident_bytes();
    run(async {
        let mut builder = Builder::new();
        builder.initial_window_size(0);
        let (mut requests, connection) = connect(encrypted, &builder).await;
        let driving = tokio::spawn(connection);
        let mut answers: Vec<_> = (0..90)
            .map(|_| requests.send_request(get(encrypted, &listing), true).unwrap().0)
            .collect();
        for answer in answers.drain(..4) {
            drop(answer.await.unwrap().into_body());
        }
        // All that will be made for the others is made.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let more = server.resident_bytes().saturating_sub(before);
        assert!(more < 100 << 20, "{} MiB more", more >> 20);
        drop((answers, driving));
    });
}

#[test]
fn memory_of_large_answers_goes_back_to_the_system() {
    let name = |index: usize| format!("{index:0>200}");
    let files: BTreeMap<_, _> = (0..12_000).map(|index| (name(index), Tree::file(""))).collect();
    let mut store = FixtureStore::new();
    let path = store.add("many", Tree::directory(files));
    let server = server().store(&store).start();
    let listing = format!("/{}.ls", path.hash_part());
    server.get(&listing).ok();
    let before = server.resident_bytes();
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| _ = server.get(&listing).ok());
        }
    });
    let peak = server.resident_bytes().saturating_sub(before);
    assert!(peak > 24 << 20, "{} MiB at most: this shows nothing", peak >> 20);
    eventually(|| server.resident_bytes().saturating_sub(before) < peak / 2);
}
