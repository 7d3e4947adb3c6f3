//! The end of the server: downloads finish, and nothing else holds it up.

use std::{
    net::TcpStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rns_formats::StorePath;
use rns_testing::{FixtureStore, Process, Server, Tree, http};
use rustix::process::Signal;

use crate::support::{is_installed, nar_of, server};

/// More than all buffers between server and client hold.
const BIG: u64 = 256 << 20;

fn big_store() -> (FixtureStore, StorePath) {
    let mut store = FixtureStore::new();
    let path = store.add("big", Tree::zeroes(BIG));
    (store, path)
}

fn with_grace(store: &FixtureStore, grace: &str) -> Server {
    server().store(store).section(&format!("shutdown_grace = {grace:?}")).start()
}

/// A download of which the client has read the head and a little more.
fn begun(server: &Server, path: &StorePath) -> (http::Connection, http::Body) {
    let mut connection = server.connect();
    let (head, mut body) = connection.start(&http::Request::get(nar_of(server, path)));
    assert_eq!(head.status, 200);
    connection.read_body(&mut body, &mut [0; 4096]);
    (connection, body)
}

/// Reads to the end; whether it came where it should.
fn finish(connection: &mut http::Connection, body: &mut http::Body) -> bool {
    let mut buffer = vec![0; 1 << 20];
    while connection.read_body(body, &mut buffer) > 0 {}
    body.ended() == Some(true)
}

#[test]
fn a_running_download_is_finished_and_nothing_new_is_accepted() {
    let (store, path) = big_store();
    let mut server = with_grace(&store, "60s");
    let (mut connection, mut body) = begun(&server, &path);
    server.signal(Signal::TERM);
    server.wait_for_line("stopping");
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(server.address()).is_ok() {
        assert!(Instant::now() < deadline, "still accepting");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(server.is_running());
    assert!(finish(&mut connection, &mut body));
    assert!(server.wait(Duration::from_secs(10)).success());
}

#[test]
fn a_second_signal_ends_at_once() {
    let (store, path) = big_store();
    let mut server = with_grace(&store, "60s");
    let (mut connection, mut body) = begun(&server, &path);
    server.signal(Signal::TERM);
    server.wait_for_line("stopping");
    server.signal(Signal::INT);
    assert!(server.wait(Duration::from_secs(5)).success());
    assert!(!finish(&mut connection, &mut body), "the client sees that it is not all");
}

#[test]
fn the_grace_ends() {
    let (store, path) = big_store();
    let mut server = with_grace(&store, "1s");
    let (mut connection, mut body) = begun(&server, &path);
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.wait(Duration::from_secs(10)).success());
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert!(!finish(&mut connection, &mut body));
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let (store, _) = big_store();
    let mut server = with_grace(&store, "60s");
    let mut used = server.connect();
    assert_eq!(used.send(&http::Request::get("/nix-cache-info")).status(), 200);
    let _fresh = server.connect();
    let mut half = server.connect();
    half.send_raw(b"GET /nix-cache-info HTTP/1.1\r\nHost: x\r\n");
    thread::sleep(Duration::from_millis(100));
    server.signal(Signal::TERM);
    assert!(server.wait(Duration::from_secs(5)).success());
    assert!(used.is_closed_within(Duration::from_secs(1)));
}

#[test]
fn an_idle_http2_connection_does_not_hold_it_up_for_long() {
    if !is_installed("curl") {
        return;
    }
    let (store, _) = big_store();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls");
    let mut server = server()
        .store(&store)
        .listen(["tls://127.0.0.1:0"])
        .section("shutdown_grace = \"60s\"")
        .section(&format!("[tls]\ncertificate = \"{data}/one.crt\"\nkey = \"{data}/one.key\""))
        .start();
    // Two requests on one connection, half a minute apart.
    let url = format!("{}/nix-cache-info", server.url());
    let mut command = Command::new("curl");
    command.args(["--silent", "--verbose", "--http2", "--rate", "2/m", "--noproxy", "*"]);
    command.arg("--cacert").arg(Path::new(data).join("one.crt"));
    let mut curl = Process::start(command.args([&url, &url]).args(["--output", "/dev/null"]));
    curl.wait_for_line("HTTP/2 200");
    thread::sleep(Duration::from_millis(300));
    server.signal(Signal::TERM);
    assert!(server.wait(Duration::from_secs(12)).success());
}
