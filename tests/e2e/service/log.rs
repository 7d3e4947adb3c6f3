//! The log, when there is too much of it and when its reader is gone.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rns_testing::{FixtureStore, http};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{eventually, server};

const MALFORMED: &[u8] = b"GET /nix-cache-info HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n";

/// Sends bytes that are no request, and reads any answer.
fn send_malformed(address: SocketAddr) {
    let mut connection = http::Connection::tcp(address);
    connection.send_raw(MALFORMED);
    assert!(connection.is_closed_within(Duration::from_secs(60)));
}

#[test]
fn clients_cannot_fill_the_log() {
    let store = FixtureStore::new();
    let server = server().store(&store).start();
    for _ in 0..1000 {
        send_malformed(server.address());
    }
    server.get("/healthz").ok();
    eventually(|| server.stderr().contains(" were left out"));
    let lines = server.stderr().lines().count();
    assert!(lines < 400, "{lines} lines");
}

/// A server whose log is read until it listens, and then no more.
struct Unread(Child, SocketAddr);

impl Unread {
    fn start(store: &FixtureStore) -> Self {
        let builder = server().store(store);
        let text = format!("log.level = \"trace\"\n{}", builder.configuration());
        let file = builder.scratch().write("unread.toml", text);
        let program = std::env::var_os("RUST_NIX_SERVE_BIN")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_rust-nix-serve").into());
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
            if let Some((_, url)) = line.split_once("listening on http://") {
                break url.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        // The pipe stays open.
        child.stderr = Some(log.into_inner());
        Self(child, address)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let store = FixtureStore::new();
    let mut server = Unread::start(&store);
    for _ in 0..500 {
        send_malformed(server.1);
    }
    let health = http::Connection::tcp(server.1).send(&http::Request::get("/healthz"));
    assert_eq!(health.status(), 200);
    kill_process(Pid::from_child(&server.0), Signal::TERM).unwrap();
    let start = Instant::now();
    while server.0.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}
