//! Daemons that can do nothing: systemd notices, and never ends one whose work goes on.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use rns_testing::{FixtureStore, Process, Standard, Tree};
use rustix::process::Signal;

use super::{
    PUSH_TIMEOUT, program,
    queue::{Away, Place},
};
use crate::{
    service::systemd_notify::Manager,
    support::{eventually, within},
};

/// Starts a daemon that systemd restarts when it says nothing for so many seconds.
fn daemon(
    command: &[&str],
    (place, store): (&Place, &FixtureStore),
    to: &str,
    token: &str,
    (manager, seconds): (&Manager, u64),
) -> Process {
    let token = place.scratch.write("token", token);
    let mut command = program(command);
    command.args(["--store", store.root().to_str().unwrap(), "--to", to, "--token-file"]);
    command.arg(token).arg("--queue").arg(&place.file);
    command.env("NOTIFY_SOCKET", &manager.path);
    command.env("WATCHDOG_USEC", (seconds * 1_000_000).to_string());
    Process::start(&mut command)
}

#[test]
fn a_queue_whose_push_hangs_is_silent_to_systemd() {
    let (standard, place, manager) = (Standard::new(), Place::new(), Manager::new());
    // Connections are made, and never answered.
    let cache = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", cache.local_addr().unwrap());
    place.hook(&[&standard.top]).success();
    let parts = (&place, &standard.store);
    let mut daemon = daemon(&["queue", "run"], parts, &url, "rns_x", (&manager, 2));
    manager.next("READY=1");
    manager.await_silence(Duration::from_secs(2));
    daemon.wait_for_line("nothing of the queue moves any more");
    let told = daemon.stderr().matches("moves any more").count();
    assert_eq!(told, 1, "{}", daemon.stderr());
}

#[test]
fn a_drain_says_that_it_waits_for_another_one() {
    let (standard, place) = (Standard::new(), Place::new());
    let cache = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", cache.local_addr().unwrap());
    place.hook(&[&standard.top]).success();
    let drain = || {
        let mut command = program(&["queue", "drain", "--to", &url, "--queue"]);
        command.arg(&place.file).arg("--store").arg(standard.store.root());
        Process::start(&mut command)
    };
    let _first = drain();
    // It asks, and gets no answer.
    let _asked = cache.accept().unwrap();
    drain().wait_for_line("another program drains this queue");
}

#[test]
fn a_daemon_that_waits_for_another_program_ends_when_it_is_told_to() {
    let (standard, place, manager) = (Standard::new(), Place::new(), Manager::new());
    let cache = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", cache.local_addr().unwrap());
    place.hook(&[&standard.top]).success();
    let parts = (&place, &standard.store);
    let _first = daemon(&["queue", "run"], parts, &url, "rns_x", (&Manager::new(), 60));
    // It asks, gets no answer, and holds the queue.
    let _asked = cache.accept().unwrap();
    let mut second = daemon(&["queue", "run"], parts, &url, "rns_x", (&manager, 60));
    manager.next("STATUS=another program drains the queue");
    second.signal(Signal::TERM);
    assert!(second.wait(Duration::from_secs(20)).success());
}

#[test]
fn a_long_upload_that_moves_does_not_hang() {
    let (mut standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let manager = Manager::new();
    let _server = away.start(standard.store.store_dir().as_str());
    let mut seed = 7_u64;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8
    });
    let large: Vec<u8> = noise.take(24 << 20).collect();
    let large = standard.store.add("large", Tree::file(large));
    let slow = slow_way(away.url().strip_prefix("http://").unwrap());
    place.hook(&[&large]).success();
    let parts = (&place, &standard.store);
    let daemon = daemon(&["queue", "run"], parts, &slow, &away.token, (&manager, 4));
    within(PUSH_TIMEOUT, || place.waiting() == 0);
    let told = daemon.stderr();
    assert!(told.contains("is pushed") && !told.contains("moves any more"), "{told}");
}

#[test]
fn a_watcher_that_cannot_read_the_store_ends_with_an_error() {
    let (mut standard, place, manager) = (Standard::new(), Place::new(), Manager::new());
    // So that nothing lies beside the database.
    standard.store.close_database();
    let parts = (&place, &standard.store);
    let url = "http://127.0.0.1:1";
    let mut daemon = daemon(&["watch-store"], parts, url, "rns_x", (&manager, 60));
    manager.next("WATCHDOG=1");
    eventually(|| place.file.exists());
    let database = standard.store.database();
    fs::rename(&database, database.with_extension("away")).unwrap();
    let status = daemon.wait(Duration::from_secs(90));
    let told = daemon.stderr();
    assert_eq!(status.code(), Some(2), "{told}");
    assert_eq!(told.matches("cannot be found, it is tried again").count(), 1, "{told}");
    assert_eq!(told.matches("could not be found for 30s").count(), 1, "{told}");
}

/// A way to a server that lets requests through at about three megabytes a second.
fn slow_way(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, to) = (format!("http://{}", listener.local_addr().unwrap()), to.to_owned());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&to).unwrap();
            let (answers, asker) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass(client, server, Duration::from_millis(20)));
            thread::spawn(move || pass(answers, asker, Duration::ZERO));
        }
    });
    url
}

fn pass(mut from: TcpStream, mut to: TcpStream, pause: Duration) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
        thread::sleep(pause);
    }
    _ = to.shutdown(Shutdown::Write);
}
