//! Everything is killed at random moments while clients push: servers, the bucket, the database, the clients themselves.
//!
//! `RNS_KILL_ROUNDS=200 cargo nextest run -p rust-nix-serve kills` is the long form; `RNS_KILL_SEED` repeats a run's choices.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use rns_cache::{Pusher, RootRevision};
use rns_formats::{Compression, NarInfo, RootName, Sha256Digest, StoreDir, StorePath};
use rns_storage::index::{RootIndex as _, postgres::PostgresIndex};
use rns_testing::{Entry, FixtureStore, PostgresServer, S3Server, Scratch, Server, Tree};
use rustix::process::Signal;

use crate::{
    support::{SECRET_KEY, private::create, server},
    uploads::{packed, text_of},
};

/// Servers that share one bucket and one database.
const REPLICAS: usize = 3;

/// Clients that push at the same time.
const CLIENTS: usize = 16;

/// How long a client tries before a round has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Numbers that look random, and are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

struct World {
    bucket: S3Server,
    database: PostgresServer,
    replicas: Vec<Option<Server>>,
    credentials: String,
    tokens: PathBuf,
    /// The section of the configuration about what is collected.
    retention: &'static str,
}

impl World {
    fn start_replica(&mut self, index: usize) {
        let access = format!("[access]\ntokens = {:?}\nanonymous = [\"read\"]", self.tokens);
        let index_url = format!("[index]\nurl = {:?}", self.database.url());
        let storage = format!("[storage]\nurl = {:?}", self.bucket.url());
        let replica = server()
            .keys([SECRET_KEY])
            .section(&access)
            .section(&index_url)
            .section(&storage)
            .section(self.retention)
            .store_flag("enabled", false)
            .env("AWS_SHARED_CREDENTIALS_FILE", &self.credentials)
            .start();
        self.replicas[index] = Some(replica);
    }

    /// Kills all replicas, and starts them with this section.
    fn restart_with(&mut self, retention: &'static str) {
        self.retention = retention;
        for index in 0..REPLICAS {
            if let Some(replica) = self.replicas[index].take() {
                replica.signal(Signal::KILL);
            }
            self.start_replica(index);
        }
    }

    /// Where the replicas listen; those that are down listen nowhere.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.replicas.iter().flatten().map(Server::address).collect()
    }
}

/// One answer of a server, or that there was none.
fn exchange(
    address: SocketAddr,
    head: &str,
    body: &[u8],
    cut: Option<usize>,
) -> Option<(u16, Vec<u8>)> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(head.as_bytes()).ok()?;
    let sent = cut.map_or(body, |cut| &body[..cut.min(body.len())]);
    // A server that refuses early closes its side; its answer counts.
    _ = socket.write_all(sent);
    if cut.is_some() {
        _ = socket.shutdown(Shutdown::Both);
        return None;
    }
    let mut answer = Vec::new();
    _ = socket.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = answer.split_off(end + 4);
    // An answer that was cut off is none.
    (length.is_none_or(|length| length == body.len())).then_some((status, body))
}

/// A path as clients push it.
struct Pushed {
    narinfo: NarInfo,
    file: Vec<u8>,
}

struct Clients<'a> {
    token: &'a str,
    addresses: &'a Mutex<Vec<SocketAddr>>,
    acknowledged: &'a Mutex<Vec<NarInfo>>,
    /// Where paths are collected: keeps those of every second client. `None`: nothing is collected.
    roots: Option<&'a str>,
}

impl Clients<'_> {
    /// Puts an object until it is acknowledged; now and then the client dies in the middle and another one begins anew.
    /// `false`: what it needs was collected meanwhile.
    fn put(&self, target: &str, body: &[u8], random: &mut Random) -> bool {
        let head = format!(
            "PUT {target} HTTP/1.1\r\nHost: cache\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            let addresses = self.addresses.lock().unwrap().clone();
            let answer = if addresses.is_empty() {
                None
            } else {
                let address = addresses[random.below(addresses.len() as u64) as usize];
                let cut = (random.below(8) == 0).then(|| random.below(body.len() as u64) as usize);
                exchange(address, &head, body, cut)
            };
            match answer {
                Some((200 | 201 | 204, _)) => return true,
                Some((409, _)) if self.roots.is_some() => return false,
                // What was acknowledged is there, so nothing else may be missing.
                Some((status, body)) if status < 500 => {
                    panic!("PUT {target}: {status} {}", String::from_utf8_lossy(&body))
                }
                _ => {}
            }
            assert!(Instant::now() < deadline, "{target} is never acknowledged: {answer:?}");
            thread::sleep(Duration::from_millis(10 + random.below(40)));
        }
    }

    fn push(&self, path: &Pushed, random: &mut Random) -> bool {
        let target = format!("/{}.narinfo", path.narinfo.store_path.hash_part());
        self.put(&format!("/{}", path.narinfo.url), &path.file, random)
            && self.put(&target, text_of(&path.narinfo).as_bytes(), random)
    }

    /// Pushes a closure, from its beginning again when a part of it was collected before the rest came.
    fn push_all(&self, paths: &[Pushed], client: usize, random: &mut Random) {
        let keeps = self.roots.is_none() || client.is_multiple_of(2);
        if let (Some(database), Some(top), true) = (self.roots, paths.last(), keeps) {
            set_root(database, &top.narinfo.store_path);
        }
        while !paths.iter().all(|path| self.push(path, random)) {}
        if keeps {
            let narinfos = paths.iter().map(|path| path.narinfo.clone());
            self.acknowledged.lock().unwrap().extend(narinfos);
        }
    }
}

/// Sets a root on a path that need not be there yet, as an index that is made anew does.
fn set_root(database: &str, path: &StorePath) {
    let revision = RootRevision {
        revision: 1,
        created: SystemTime::now(),
        expires: None,
        label: None,
        pusher: Pusher { name: "ci".to_owned(), address: None },
        paths: vec![path.clone()],
    };
    let name = RootName::parse(&path.hash_part().to_string()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let index = PostgresIndex::new(database).unwrap();
    while let Err(error) =
        runtime.block_on(index.import_root(&name, std::slice::from_ref(&revision)))
    {
        assert!(Instant::now() < deadline, "no root: {error}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The paths of one client in one round: each refers to the one before it.
fn paths(round: u64, client: usize, random: &mut Random) -> Vec<Pushed> {
    let mut store = FixtureStore::new();
    let mut last: Option<StorePath> = None;
    let mut pushed = Vec::new();
    for number in 0..2 + random.below(2) {
        let size = [100, 20_000, 300_000, 6_000_000][random.below(4) as usize];
        let mut text = format!("{round} {client} {number} ").repeat(size / 8).into_bytes();
        // What is random does not get small, so that it takes a while to arrive.
        for byte in text.iter_mut().step_by(2) {
            *byte = random.below(256) as u8;
        }
        let references = last.iter().cloned().collect::<Vec<_>>();
        let name = format!("path-{round}-{client}-{number}");
        let entry = Entry::new(name, Tree::file(&text)).references(&references);
        let path = store.insert(entry);
        let compression = [Compression::None, Compression::Zstd][random.below(2) as usize];
        let (narinfo, file) = packed(store.info(&path), &store.nar(&path), compression);
        pushed.push(Pushed { narinfo, file });
        last = Some(path);
    }
    pushed
}

/// Kills and restarts until the clients are done.
fn kill_things(
    world: &mut World,
    addresses: &Mutex<Vec<SocketAddr>>,
    is_done: &AtomicBool,
    random: &mut Random,
) {
    while !is_done.load(Relaxed) {
        thread::sleep(Duration::from_millis(random.below(400)));
        let pause = Duration::from_millis(random.below(150));
        match random.below(REPLICAS as u64 + 2) {
            0 => {
                world.bucket.stop();
                thread::sleep(pause);
                world.bucket.restart();
            }
            1 => {
                world.database.stop();
                thread::sleep(pause);
                world.database.restart();
            }
            index => {
                let index = index as usize - 2;
                if let Some(replica) = world.replicas[index].take() {
                    replica.signal(Signal::KILL);
                }
                *addresses.lock().unwrap() = world.addresses();
                thread::sleep(pause);
                world.start_replica(index);
                *addresses.lock().unwrap() = world.addresses();
            }
        }
    }
}

fn get(address: SocketAddr, target: &str) -> (u16, Vec<u8>) {
    let head = format!("GET {target} HTTP/1.1\r\nHost: cache\r\nConnection: close\r\n\r\n");
    exchange(address, &head, b"", None).unwrap_or_else(|| panic!("GET {target}: no answer"))
}

/// How the file of a narinfo or NAR is known again: inode, length, time in nanoseconds.
type Stamp = (u64, u64, i64);

fn stamp(world: &World, key: &str) -> Stamp {
    let found = fs::metadata(world.bucket.directory().join(key));
    let found = found.unwrap_or_else(|error| panic!("{key} is visible: {error}"));
    (found.ino(), found.len(), found.mtime() * 1_000_000_000 + found.mtime_nsec())
}

/// A visible path that was downloaded, and the files that it was then.
struct Downloaded {
    url: String,
    narinfo: Stamp,
    nar: Stamp,
}

/// Visible paths by their hash parts. A round downloads what has changed since the one before: all of it each time would make
/// the two-hundredth round a hundred times as long as the first.
type Checked = BTreeMap<String, Downloaded>;

/// Every visible path downloads and is what it says; every path that it refers to is visible.
fn check(world: &World, acknowledged: &[NarInfo], checked: &mut Checked) {
    let addresses = world.addresses();
    assert_eq!(addresses.len(), REPLICAS);
    let mut visible = BTreeSet::new();
    for entry in fs::read_dir(world.bucket.directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(hash) = name.strip_suffix(".narinfo").filter(|hash| hash.len() == 32) {
            visible.insert(hash.to_owned());
        }
    }
    for narinfo in acknowledged {
        let hash = narinfo.store_path.hash_part().to_string();
        assert!(visible.contains(&hash), "{} was acknowledged", narinfo.store_path);
    }
    for hash in checked.keys() {
        assert!(visible.contains(hash), "{hash} was visible");
    }
    let changed = visible.iter().filter(|hash| {
        checked.get(*hash).is_none_or(|known| {
            let narinfo = stamp(world, &format!("{hash}.narinfo"));
            narinfo != known.narinfo || stamp(world, &known.url) != known.nar
        })
    });
    let changed: Vec<_> = changed.cloned().collect();
    let next = AtomicUsize::new(0);
    let download_some = || {
        let mut downloaded = Vec::new();
        loop {
            let number = next.fetch_add(1, Relaxed);
            let Some(hash) = changed.get(number) else { return downloaded };
            let address = addresses[number % REPLICAS];
            downloaded.push((hash.clone(), download(world, address, hash, &visible)));
        }
    };
    let downloaded: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..REPLICAS).map(|_| scope.spawn(download_some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for (hash, new) in downloaded {
        let known = checked.get(&hash);
        assert!(known.is_none_or(|known| known.url == new.url), "{hash} has another NAR now");
        checked.insert(hash, new);
    }
}

fn download(
    world: &World,
    address: SocketAddr,
    hash: &str,
    visible: &BTreeSet<String>,
) -> Downloaded {
    let name = format!("{hash}.narinfo");
    let stamp_of_narinfo = stamp(world, &name);
    let (status, text) = get(address, &format!("/{name}"));
    assert_eq!(status, 200, "{name}");
    let text = String::from_utf8(text).unwrap();
    let narinfo = NarInfo::parse(&text, &StoreDir::default()).unwrap();
    assert!(!narinfo.signatures.is_empty(), "{text}");
    for reference in &narinfo.references {
        assert!(visible.contains(&reference.hash_part().to_string()), "{text}");
    }
    let stamp_of_nar = stamp(world, &narinfo.url);
    let (status, file) = get(address, &format!("/{}", narinfo.url));
    assert_eq!(status, 200, "{text}");
    let nar = match narinfo.compression {
        Compression::Zstd => zstd::decode_all(&file[..]).unwrap(),
        _ => file,
    };
    assert!(Sha256Digest::of(&nar) == narinfo.nar_hash, "{text}");
    Downloaded { url: narinfo.url, narinfo: stamp_of_narinfo, nar: stamp_of_nar }
}

#[test]
fn nothing_is_half_visible_and_nothing_acknowledged_is_lost_when_everything_is_killed() {
    rounds("");
}

/// What no root needs goes, as soon as it is not young any more.
const COLLECTING: &str = "[retention]\nkeep_roots = true\nmin_age = \"3s\"\ninterval = \"1s\"";

#[test]
fn what_roots_need_is_whole_when_everything_is_killed_while_the_rest_is_collected() {
    rounds(COLLECTING);
}

fn rounds(retention: &'static str) {
    let (Some(bucket), Some(database)) = (S3Server::start(), PostgresServer::start()) else {
        return;
    };
    let is_collecting = !retention.is_empty();
    let rounds = number("RNS_KILL_ROUNDS").unwrap_or(if is_collecting { 1 } else { 2 });
    let seed = number("RNS_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()) + 1);
    eprintln!("RNS_KILL_SEED={seed}, {rounds} rounds");
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let scratch = Scratch::new();
    let tokens = scratch.join("tokens");
    let token = create(&tokens, "ci", &["--allow", "push"]);
    let credentials = bucket.credentials_file().display().to_string();
    let replicas = (0..REPLICAS).map(|_| None).collect();
    let mut world = World { bucket, database, replicas, credentials, tokens, retention };
    let url = world.database.url();
    (0..REPLICAS).for_each(|index| world.start_replica(index));
    let acknowledged = Mutex::new(Vec::new());
    let mut checked = Checked::new();
    let mut pushed = 0;
    for round in 0..rounds {
        let start = Instant::now();
        let addresses = Mutex::new(world.addresses());
        let clients = Clients {
            token: &token,
            addresses: &addresses,
            acknowledged: &acknowledged,
            roots: is_collecting.then_some(&*url),
        };
        let count = AtomicUsize::new(0);
        let is_done = AtomicBool::new(false);
        let mut killer = Random(random.below(u64::MAX) | 1);
        thread::scope(|scope| {
            let pushing: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let mut random = Random(random.below(u64::MAX) | 1);
                    let (clients, count) = (&clients, &count);
                    scope.spawn(move || {
                        let paths = paths(round, client, &mut random);
                        count.fetch_add(paths.len(), Relaxed);
                        clients.push_all(&paths, client, &mut random);
                    })
                })
                .collect();
            let (world, addresses, done) = (&mut world, &addresses, &is_done);
            let killing = scope.spawn(move || kill_things(world, addresses, done, &mut killer));
            let results: Vec<_> = pushing.into_iter().map(|client| client.join()).collect();
            is_done.store(true, Relaxed);
            killing.join().unwrap();
            results.into_iter().for_each(|result| result.unwrap());
        });
        pushed += count.into_inner();
        if is_collecting {
            // What is checked must not go meanwhile.
            world.restart_with("");
            checked.clear();
        }
        check(&world, &acknowledged.lock().unwrap(), &mut checked);
        if is_collecting {
            world.restart_with(COLLECTING);
        }
        eprintln!("round {}: {} paths, {:?}", round + 1, checked.len(), start.elapsed());
    }
    if is_collecting {
        let is_collected = || {
            let listed = fs::read_dir(world.bucket.directory()).unwrap();
            let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.ends_with(".narinfo")).count() < pushed
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_collected() {
            assert!(Instant::now() < deadline, "nothing is collected");
            thread::sleep(Duration::from_millis(100));
        }
    }
}
