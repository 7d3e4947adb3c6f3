//! A server with a directory and an index in SQLite is killed while clients push many small paths.

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use rns_formats::{HashPart, NarInfo, StoreDir};
use rns_storage::index::{Index as _, PathState, sqlite::SqliteIndex};
use rns_testing::{Scratch, Server, lasting_port};
use rustix::process::Signal;

use super::{
    clients::{Clients, PushCounts, chain},
    world::{Random, seed},
};
use crate::{
    storage::of_directory,
    support::{SECRET_KEY, number, private::create},
};

/// Clients that push at the same time.
const CLIENTS: usize = 4;

/// Paths of a client between two looks whether there were enough kills.
const CHAIN_LENGTH: u64 = 30;

struct Directory {
    scratch: Scratch,
    port: u16,
}

impl Directory {
    fn start(&self) -> Server {
        let (tokens, index) = (self.scratch.join("tokens"), self.index_file());
        of_directory(&self.scratch.join("cache"))
            .keys([SECRET_KEY])
            .listen([&*format!("127.0.0.1:{}", self.port)])
            .section(&format!("[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]"))
            .section(&format!("[index]\nurl = \"sqlite://{}\"", index.display()))
            .start()
    }

    fn index_file(&self) -> std::path::PathBuf {
        self.scratch.join("index.sqlite")
    }

    /// Checks directory and index while no server runs. Returns the number of visible paths.
    fn check(&self, acknowledged: &BTreeSet<HashPart>) -> usize {
        let visible = visible(&self.scratch.join("cache"));
        let lost: Vec<_> = acknowledged.difference(&visible).collect();
        assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
        let visible: Vec<_> = visible.into_iter().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let index = SqliteIndex::new(self.index_file(), false);
        let states = runtime.block_on(index.states(&visible)).unwrap();
        for (hash, state) in visible.iter().zip(states) {
            assert!(
                matches!(state, Some(PathState::Publishing | PathState::Published)),
                "the index does not know {hash}: {state:?}"
            );
            let pushes = runtime.block_on(index.pushes(hash)).unwrap();
            assert_eq!(
                pushes.first().map(|push| &*push.pusher.name),
                Some("token ci"),
                "{hash}: {pushes:?}, {state:?}"
            );
        }
        visible.len()
    }
}

/// The paths that any web server would show. Each has the whole NAR that it names.
fn visible(cache: &Path) -> BTreeSet<HashPart> {
    let files = fs::read_dir(cache).unwrap().map(|file| file.unwrap().path());
    let narinfos = files.filter(|file| file.extension().is_some_and(|end| end == "narinfo"));
    let paths = narinfos.map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        let narinfo = NarInfo::parse(&text, &StoreDir::default()).unwrap();
        let nar = fs::metadata(cache.join(&narinfo.url)).unwrap();
        assert_eq!(Some(nar.len()), narinfo.file_size, "{}", file.display());
        narinfo.store_path.hash_part()
    });
    paths.collect()
}

#[test]
fn a_server_that_is_killed_forgets_no_visible_path_and_no_pusher() {
    let rounds = number("RNS_KILL_ROUNDS").unwrap_or(8);
    let directory = Directory { scratch: Scratch::new(), port: lasting_port() };
    fs::create_dir(directory.scratch.join("cache")).unwrap();
    let mut random = Random::new(seed());
    let token = create(&directory.scratch.join("tokens"), "ci", &["--allow", "push"]);
    let addresses = [(Ipv4Addr::LOCALHOST, directory.port).into()];
    let counts = PushCounts::default();
    let clients = Clients { token: &token, addresses: &addresses, counts: &counts, roots: None };
    let mut killer = random.fork();
    let is_done = AtomicBool::new(false);
    /// Ends the clients also when a check fails.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let mut server = directory.start();
    let _server = thread::scope(|scope| {
        let (clients, counts, is_done) = (&clients, &counts, &is_done);
        for client in 0..CLIENTS {
            let mut random = random.fork();
            scope.spawn(move || {
                for number in 0.. {
                    let paths = chain((number, client), CHAIN_LENGTH, |_| 100, &mut random);
                    for path in &paths {
                        if is_done.load(Relaxed) {
                            return;
                        }
                        assert!(clients.push(path, &mut random));
                        let path = path.narinfo.store_path.clone();
                        counts.kept.lock().unwrap().push(path);
                    }
                }
            });
        }
        let _done = Done(is_done);
        for round in 0..rounds {
            thread::sleep(Duration::from_millis(50 + killer.below(300)));
            server.signal(Signal::KILL);
            drop(server);
            let acknowledged = counts.kept.lock().unwrap();
            let acknowledged = acknowledged.iter().map(rns_formats::StorePath::hash_part).collect();
            let visible = directory.check(&acknowledged);
            eprintln!("kill {}: {visible} paths, {} acknowledged", round + 1, acknowledged.len());
            server = directory.start();
        }
        server
    });
}
