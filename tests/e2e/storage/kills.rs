//! Everything is killed at random moments while clients push: servers, the bucket, the database, the clients themselves.
//!
//! `RNS_KILL_ROUNDS=200 cargo nextest run -p rust-nix-serve kills` is the long form; `RNS_KILL_SEED` repeats a run's choices.

mod clients;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use rns_formats::{Compression, NarInfo, Sha256Digest, StoreDir};
use rns_testing::{PostgresServer, S3Server, Scratch};

use self::{
    clients::{Clients, exchange, paths},
    world::{Random, World, kill_things, number},
};
use crate::support::private::create;

/// Servers that share one bucket and one database.
const REPLICAS: usize = 3;

/// Clients that push at the same time.
const CLIENTS: usize = 16;

/// How long a client tries before a round has failed.
const PATIENCE: Duration = Duration::from_secs(120);

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
