//! Clients that push until they are told that it is done, and die now and then.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use rns_cache::{Pusher, RootRevision};
use rns_formats::{Compression, NarInfo, RootName, StorePath};
use rns_storage::index::{RootIndex as _, postgres::PostgresIndex};
use rns_testing::{Entry, FixtureStore, Tree};

use super::{TIMEOUT, world::Random};
use crate::uploads::{packed, text_of};

/// One answer of a server, or that there was none.
pub(super) fn exchange(
    address: SocketAddr,
    head: &str,
    body: &[u8],
    cut: Option<usize>,
) -> Option<(u16, Vec<u8>)> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.write_all(head.as_bytes()).ok()?;
    let sent = cut.map_or(body, |cut| &body[..cut.min(body.len())]);
    // A server that refuses early closes its side; its answer counts.
    _ = socket.write_all(sent);
    if cut.is_some() {
        _ = socket.shutdown(Shutdown::Both);
        return None;
    }
    // A server that has refused early takes in the rest of a body for a while: its answer ends before the connection does.
    let (mut answer, mut chunk) = (Vec::new(), [0; 64 << 10]);
    loop {
        if let Some(answer) = whole(&answer) {
            return Some(answer);
        }
        match socket.read(&mut chunk) {
            Ok(read @ 1..) => answer.extend_from_slice(&chunk[..read]),
            // An answer that was cut off is none.
            _ => return None,
        }
    }
}

/// Status and body, once all of the answer is there.
fn whole(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&answer[..end]);
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = answer.get(end + 4..)?.get(..length?)?;
    Some((status, body.to_vec()))
}

/// A path as clients push it.
pub(super) struct Pushed {
    pub(super) narinfo: NarInfo,
    pub(super) file: Vec<u8>,
}

/// What clients have seen.
#[derive(Default)]
pub(super) struct PushCounts {
    /// Paths that were acknowledged and must stay.
    pub(super) kept: Mutex<Vec<StorePath>>,
    /// How many paths were acknowledged.
    pub(super) acknowledged: AtomicUsize,
    /// How often a client died.
    pub(super) deaths: AtomicUsize,
}

pub(super) struct Clients<'a> {
    pub(super) token: &'a str,
    pub(super) addresses: &'a [SocketAddr],
    pub(super) counts: &'a PushCounts,
    /// Where paths are collected: keeps those of every second client. `None`: nothing is collected.
    pub(super) roots: Option<&'a str>,
}

impl Clients<'_> {
    /// Puts an object until it is acknowledged; now and then the client dies in the middle and another one begins anew.
    /// `false`: a reference was collected meanwhile.
    pub(super) fn put(&self, target: &str, body: &[u8], random: &mut Random) -> bool {
        let head = format!(
            "PUT {target} HTTP/1.1\r\nHost: cache\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let address = *random.one_of(self.addresses);
            let cut = (random.below(8) == 0).then(|| random.below(body.len() as u64) as usize);
            self.counts.deaths.fetch_add(usize::from(cut.is_some()), Relaxed);
            let answer = exchange(address, &head, body, cut);
            match answer {
                Some((200 | 201 | 204, _)) => return true,
                Some((409, _)) if self.roots.is_some() => return false,
                // All acknowledged objects are there, so nothing else may be missing.
                Some((status, body)) if status < 500 => {
                    panic!("PUT {target}: {status} {}", String::from_utf8_lossy(&body))
                }
                _ => {}
            }
            assert!(Instant::now() < deadline, "{target} is never acknowledged: {answer:?}");
            thread::sleep(Duration::from_millis(10 + random.below(40)));
        }
    }

    pub(super) fn push(&self, path: &Pushed, random: &mut Random) -> bool {
        let target = format!("/{}.narinfo", path.narinfo.store_path.hash_part());
        self.put(&format!("/{}", path.narinfo.url), &path.file, random)
            && self.put(&target, text_of(&path.narinfo).as_bytes(), random)
    }

    /// Pushes a closure, from its beginning again when a part of it was collected before the rest came.
    pub(super) fn push_all(&self, paths: &[Pushed], client: usize, random: &mut Random) {
        let keeps = self.roots.is_none() || client.is_multiple_of(2);
        if let (Some(database), Some(top), true) = (self.roots, paths.last(), keeps) {
            set_root(database, &top.narinfo.store_path);
        }
        while !paths.iter().all(|path| self.push(path, random)) {}
        self.counts.acknowledged.fetch_add(paths.len(), Relaxed);
        if keeps {
            let paths = paths.iter().map(|path| path.narinfo.store_path.clone());
            self.counts.kept.lock().unwrap().extend(paths);
        }
    }
}

/// Sets a root on a path that need not be there yet, as an index that is made anew does.
pub(super) fn set_root(database: &str, path: &StorePath) {
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
    let deadline = Instant::now() + TIMEOUT;
    let index = PostgresIndex::new(database).unwrap();
    while let Err(error) =
        runtime.block_on(index.import_root(&name, std::slice::from_ref(&revision)))
    {
        assert!(Instant::now() < deadline, "no root: {error}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The paths of one client in one round: each refers to the one before it.
pub(super) fn paths(round: u64, client: usize, random: &mut Random) -> Vec<Pushed> {
    let length = 2 + random.below(2);
    // Some take so long to arrive that much is killed meanwhile.
    let size = |random: &mut Random| {
        let sizes = if random.below(12) == 0 { &[4_000_000] } else { &[100, 20_000, 300_000][..] };
        *random.one_of(sizes)
    };
    chain((round, client), length, size, random)
}

/// So many paths of these sizes: each refers to the one before it.
pub(super) fn chain(
    (round, client): (u64, usize),
    length: u64,
    size: impl Fn(&mut Random) -> usize,
    random: &mut Random,
) -> Vec<Pushed> {
    let mut store = FixtureStore::new();
    let mut last: Option<StorePath> = None;
    let mut pushed = Vec::new();
    for number in 0..length {
        let size = size(random);
        let text = random.text(&format!("{round} {client} {number} "), size);
        let references = last.iter().cloned().collect::<Vec<_>>();
        let name = format!("path-{round}-{client}-{number}");
        let entry = Entry::new(name, Tree::file(&text)).references(&references);
        let path = store.insert(entry);
        let compression = *random.one_of(&[Compression::None, Compression::Zstd]);
        let (narinfo, file) = packed(store.info(&path), &store.nar(&path), compression);
        pushed.push(Pushed { narinfo, file });
        last = Some(path);
    }
    pushed
}
