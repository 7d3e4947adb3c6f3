//! More connections than there is room for.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rns_testing::{FixtureStore, Server, Standard, Tree, http};

use crate::support::{nar_of, server, tls::speaking_tls};

const CACHE_INFO: &str = "/nix-cache-info";
const METRICS: &str = "[metrics]\nlisten = [\"127.0.0.1:0\"]";

/// Where those who watch the service ask.
fn metrics(server: &Server) -> SocketAddr {
    let said = server.stderr();
    let url = said.lines().find_map(|line| line.split_once("metrics are on http://")).unwrap().1;
    url.split_whitespace().next().unwrap().parse().unwrap()
}

fn address(url: &str) -> SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}

#[test]
fn idle_handshakes_hold_up_no_listener() {
    let standard = Standard::new();
    let server = speaking_tls("issuer.crt", "issuer.key")
        .listen(["127.0.0.1:0", "tls://127.0.0.1:0"])
        .store(&standard.store)
        .section("[limits]\nheader_timeout = \"10m\"")
        .section(METRICS)
        .start();
    let encrypted = address(&server.urls()[1]);
    let idle: Vec<_> = (0..600).map(|_| TcpStream::connect(encrypted).unwrap()).collect();
    for _ in 0..8 {
        server.get(CACHE_INFO).ok();
        http::Connection::tcp(metrics(&server)).send(&http::Request::get("/metrics")).ok();
    }
    let made = crate::support::http2::run(crate::support::http2::connect(
        encrypted,
        &h2::client::Builder::new(),
    ));
    drop((made, idle));
}

#[test]
fn where_all_places_are_taken_the_longest_idle_makes_room() {
    let standard = Standard::new();
    let server = server()
        .store(&standard.store)
        .section("[limits]\nconnections = 8\nidle_timeout = \"10m\"\nheader_timeout = \"10m\"")
        .start();
    let request = http::Request::get(CACHE_INFO);
    let mut connections: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = server.connect();
            connection.send(&request).ok();
            connection
        })
        .collect();
    let mut oldest = connections.remove(0);
    // It is the longest open, and not the longest idle.
    oldest.send(&request).ok();
    server.connect().send(&request).ok();
    assert!(connections[0].is_closed_within(Duration::from_secs(20)));
    oldest.send(&request).ok();
    for connection in &mut connections[2..] {
        connection.send(&request).ok();
    }
}

#[test]
fn those_who_watch_get_in_where_all_places_are_in_use() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(64 << 20));
    let server =
        server().store(&store).section("[limits]\nconnections = 4").section(METRICS).start();
    let nar = nar_of(&server, &path);
    let downloads: Vec<_> = (0..4)
        .map(|_| {
            let mut connection = server.connect();
            assert_eq!(connection.start(&http::Request::get(&nar)).0.status, 200);
            connection
        })
        .collect();
    assert!(server.connect().is_closed_within(Duration::from_secs(20)), "there is no place");
    for target in ["/metrics", "/healthz", "/readyz"] {
        http::Connection::tcp(metrics(&server)).send(&http::Request::get(target)).ok();
    }
    drop(downloads);
    crate::support::eventually(|| {
        let mut connection = server.connect();
        connection.send_raw(&http::Request::get(CACHE_INFO).to_bytes());
        connection.read_response().is_some_and(|answer| answer.status() == 200)
    });
}

#[test]
fn long_heads_that_are_not_finished_are_few() {
    let standard = Standard::new();
    let server = server().store(&standard.store).start();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(30 << 10));
    let mut connections: Vec<_> = (0..100)
        .map(|_| {
            let mut connection = server.connect();
            connection.send_raw(head.as_bytes());
            connection
        })
        .collect();
    let closed = connections
        .iter_mut()
        .filter_map(|connection| {
            connection.is_closed_within(Duration::from_millis(100)).then_some(())
        })
        .count();
    assert!((30..=40).contains(&closed), "{closed} of 100 were closed");
    server.get(CACHE_INFO).ok();
}

#[test]
fn what_is_asked_for_ahead_and_not_read_takes_little_memory() {
    let standard = Standard::new();
    let server = server().store(&standard.store).start();
    let request = http::Request::get(crate::support::narinfo_of(&standard.tree)).to_bytes();
    let many = request.repeat((256 << 10) / request.len());
    server.get(CACHE_INFO).ok();
    let before = server.resident_bytes();
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let client = TcpStream::connect(server.address()).unwrap();
            client.set_nonblocking(true).unwrap();
            client
        })
        .collect();
    for _ in 0..8 {
        for mut client in &clients {
            // As much as the server and the kernel take.
            while std::io::Write::write(&mut client, &many).is_ok_and(|sent| sent > 0) {}
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let each = server.resident_bytes().saturating_sub(before) / 200;
    assert!(each < 160 << 10, "{} KiB for each connection", each >> 10);
    drop(clients);
}
