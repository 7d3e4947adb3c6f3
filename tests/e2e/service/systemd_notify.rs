//! Messages to the service manager, and when they are sent.

use std::{
    os::unix::net::UnixDatagram,
    path::PathBuf,
    time::{Duration, Instant},
};

use rns_testing::{Server, ServerBuilder, Standard};
use rustix::process::Signal;

use crate::support::{SECRET_KEY, server};

/// The service manager's end.
pub(crate) struct Manager {
    socket: UnixDatagram,
    pub(crate) path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Manager {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, path, _directory: directory }
    }

    fn manage(&self, builder: ServerBuilder) -> ServerBuilder {
        builder.env("NOTIFY_SOCKET", self.path.to_str().unwrap())
    }

    /// The next message that has a line beginning with `start`.
    pub(crate) fn next(&self, start: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no message with {start}");
            self.socket.set_read_timeout(Some(left)).unwrap();
            let Some(lines) = self.receive() else { continue };
            if lines.iter().any(|line| line.starts_with(start)) {
                return lines;
            }
        }
    }

    /// Waits until no message comes for so long, as systemd does before it ends a process.
    pub(crate) fn await_silence(&self, length: Duration) {
        let deadline = Instant::now() + Duration::from_secs(20);
        self.socket.set_read_timeout(Some(length)).unwrap();
        while self.receive().is_some() {
            assert!(Instant::now() < deadline, "messages come on");
        }
    }

    /// The lines of a message; none when the time to wait is over.
    fn receive(&self) -> Option<Vec<String>> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        Some(text.lines().map(ToOwned::to_owned).collect())
    }
}

fn status(message: &[String]) -> &str {
    message.iter().find_map(|line| line.strip_prefix("STATUS=")).unwrap()
}

fn managed(manager: &Manager, standard: &Standard) -> Server {
    manager.manage(server().store(&standard.store).keys([SECRET_KEY])).start()
}

#[test]
fn ready_comes_when_requests_are_answered_and_stopping_at_the_end() {
    let (manager, standard) = (Manager::new(), Standard::new());
    let mut server = managed(&manager, &standard);
    let ready = manager.next("READY=1");
    assert!(status(&ready).contains("serving /nix/store on http://127.0.0.1:"), "{ready:?}");
    assert_eq!(server.get("/nix-cache-info").status(), 200);

    server.signal(Signal::TERM);
    manager.next("STOPPING=1");
    assert!(server.wait(Duration::from_secs(20)).success());
}

#[test]
fn a_reload_is_announced_with_its_time_and_ends_with_ready() {
    let (manager, standard) = (Manager::new(), Standard::new());
    let server = managed(&manager, &standard);
    manager.next("READY=1");
    for _ in 0..2 {
        server.signal(Signal::HUP);
        let reloading = manager.next("RELOADING=1");
        let time = reloading.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{reloading:?}");
        manager.next("READY=1");
    }
}

#[test]
fn the_status_says_what_is_missing_until_it_is_there() {
    let (manager, standard) = (Manager::new(), Standard::new());
    let builder = server().store(&standard.store);
    let key = builder.scratch().join("missing.key");
    let server = manager.manage(builder.section(&format!("[signing]\nkeys = [{key:?}]"))).start();
    let ready = manager.next("READY=1");
    assert!(status(&ready).contains("not ready"), "{ready:?}");
    assert!(status(&ready).contains("missing.key"), "{ready:?}");

    crate::support::write_key(&key, SECRET_KEY);
    let mended = manager.next("STATUS=serving");
    assert!(!status(&mended).contains("missing.key"), "{mended:?}");
    drop(server);
}

#[test]
fn the_watchdog_is_told_in_time() {
    let (manager, standard) = (Manager::new(), Standard::new());
    let builder = server().store(&standard.store).env("WATCHDOG_USEC", "1000000");
    let _server = manager.manage(builder).start();
    manager.next("WATCHDOG=1");
    for _ in 0..4 {
        let before = Instant::now();
        manager.next("WATCHDOG=1");
        assert!(before.elapsed() < Duration::from_millis(950), "{:?}", before.elapsed());
    }
}
