//! Checks C51 and C94: a real Nix daemon, and garbage collection while a path is sent.

use std::{
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rns_testing::{
    Client, FixtureStore, Process, Server, Tree,
    http::{Body, Connection, Request},
};

use crate::support::{assert_refusal, eventually, nar_of, narinfo_of, nixes, server};

/// A store with a large path, a daemon for it and a server that knows the daemon.
struct Guarded {
    store: FixtureStore,
    path: rns_formats::StorePath,
    other: rns_formats::StorePath,
    client: Client,
    socket: PathBuf,
}

impl Guarded {
    fn new(nix: &rns_testing::Nix) -> Self {
        let mut store = FixtureStore::new();
        let dep = store.add("dep", Tree::file("dep"));
        let tree = Tree::directory((0..64).map(|n| (format!("file-{n}"), Tree::zeroes(1 << 20))));
        let path = store.insert(rns_testing::Entry::new("large", tree).references([&dep]));
        let other = store.add("other", Tree::file("other"));
        let client = nix.client().with_root(store.root());
        let socket = client.scratch().join("daemon.socket");
        Self { store, path, other, client, socket }
    }

    fn daemon(&self) -> Process {
        let mut command: Command = self.client.command("nix-daemon");
        let daemon = Process::start(command.env("NIX_DAEMON_SOCKET_PATH", &self.socket));
        eventually(|| std::os::unix::net::UnixStream::connect(&self.socket).is_ok());
        daemon
    }

    fn server(&self) -> Server {
        server()
            .store_root(self.store.root())
            .store_key("daemon_socket", self.socket.to_str().unwrap())
            .start()
    }

    fn collect_garbage(&self) {
        self.client.run("nix-store", ["--gc"]).success();
    }

    fn is_on_disk(&self, path: &rns_formats::StorePath) -> bool {
        self.store.real_path(path).exists()
    }
}

fn begin(server: &Server, target: &str) -> (Connection, Body) {
    let mut connection = server.connect();
    let (head, mut body) = connection.start(&Request::get(target));
    assert_eq!(head.status, 200);
    connection.read_body(&mut body, &mut [0; 1024]);
    (connection, body)
}

fn finish(connection: &mut Connection, body: &mut Body) -> u64 {
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match connection.read_body(body, &mut buffer) {
            0 => return total,
            read => total += read as u64,
        }
    }
}

#[test]
fn c51_a_collection_during_a_download_spares_the_path() {
    for nix in nixes() {
        let guarded = Guarded::new(&nix);
        let _daemon = guarded.daemon();
        let server = guarded.server();
        let target = nar_of(&server, &guarded.path);
        let (mut connection, mut body) = begin(&server, &target);

        guarded.collect_garbage();
        assert!(
            guarded.is_on_disk(&guarded.path),
            "Nix {}: collected while it was sent",
            nix.version
        );
        assert!(!guarded.is_on_disk(&guarded.other), "the collection has collected nothing");

        let rest = finish(&mut connection, &mut body);
        assert_eq!(body.ended(), Some(true));
        assert_eq!(rest + 1024, guarded.store.info(&guarded.path).nar_size);
    }
}

#[test]
fn c53_c51_when_the_download_has_ended_the_path_can_be_collected() {
    let Some(nix) = nixes().next() else { return };
    let guarded = Guarded::new(&nix);
    let _daemon = guarded.daemon();
    let server = guarded.server();
    let target = nar_of(&server, &guarded.path);
    // One client that takes everything, and one that leaves.
    let (mut connection, mut body) = begin(&server, &target);
    finish(&mut connection, &mut body);
    drop(begin(&server, &target));
    // A root lasts as long as the connection to the daemon that it was asked for on, which is used for
    // other downloads for a minute.
    let deadline = Instant::now() + Duration::from_secs(90);
    while guarded.is_on_disk(&guarded.path) {
        assert!(Instant::now() < deadline, "still held long after the download");
        thread::sleep(Duration::from_secs(2));
        guarded.collect_garbage();
    }
    assert_refusal(&server.get(&target), 404);
    assert_refusal(&server.get(&narinfo_of(&guarded.path)), 404);
}

#[test]
fn c94_a_daemon_that_restarts_is_found_again() {
    for nix in nixes() {
        let guarded = Guarded::new(&nix);
        let server = guarded.server();
        let target = nar_of(&server, &guarded.path);
        // Without a daemon everything is served all the same.
        let whole = guarded.store.info(&guarded.path).nar_size;
        let (mut connection, mut body) = begin(&server, &target);
        assert_eq!(finish(&mut connection, &mut body) + 1024, whole);

        for _ in 0..2 {
            let daemon = guarded.daemon();
            // The one before may have left a connection that is dead by now.
            eventually(|| {
                let (mut connection, mut body) = begin(&server, &target);
                finish(&mut connection, &mut body);
                guarded.temporary_roots() > 0 || {
                    let held = begin(&server, &target);
                    let rooted = guarded.temporary_roots() > 0;
                    drop(held);
                    rooted
                }
            });
            drop(daemon);
        }
        let (mut connection, mut body) = begin(&server, &target);
        assert_eq!(finish(&mut connection, &mut body) + 1024, whole);
    }
}

impl Guarded {
    /// How many processes of Nix hold temporary roots.
    fn temporary_roots(&self) -> usize {
        let directory = self.store.root().join("nix/var/nix/temproots");
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
        files.filter(|file| file.metadata().is_ok_and(|file| file.len() > 0)).count()
    }
}
