//! The servers, the bucket and the database, and how they are killed.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rns_storage::index::{Collection as _, IndexLock, postgres::PostgresIndex};
use rns_testing::{PostgresServer, S3Server, Scratch, Server, lasting_port};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use super::{TIMEOUT, collector::Collector};
use crate::support::{SECRET_KEY, number, private::create, server, tls::given};

/// Servers that share one bucket and one database.
pub(super) const REPLICAS: usize = 3;

/// Numbers that look random, and are the same for the same seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Others, which depend on these.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.draw() | 1)
    }

    pub(super) const fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) const fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// Text that no compressor makes much smaller, so that it takes a while to arrive.
    pub(super) fn text(&mut self, beginning: &str, length: usize) -> Vec<u8> {
        let mut text = beginning.as_bytes().to_vec();
        while text.len() < length {
            text.extend(self.draw().to_le_bytes());
        }
        text
    }
}

/// The seed of this run, which it prints.
pub(super) fn seed() -> u64 {
    let seed = number("RNS_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()) + 1);
    eprintln!("RNS_KILL_SEED={seed}");
    seed
}

/// Replicas that serve one cache.
pub(super) struct World {
    pub(super) bucket: S3Server,
    pub(super) database: PostgresServer,
    replicas: Vec<Option<Server>>,
    /// The ports of each replica: plain, and with TLS.
    ports: Vec<(u16, u16)>,
    /// Collects beside the replicas, where there is one.
    pub(super) collector: Option<Collector>,
    pub(super) scratch: Scratch,
    /// The file with the credentials of the bucket.
    pub(super) credentials: String,
    /// A token that may push and pin.
    pub(super) token: String,
    /// The section of the configuration about retention.
    retention: String,
    /// The number of kills of each process.
    pub(super) kills: BTreeMap<&'static str, u64>,
}

impl World {
    /// `None` where bucket or database cannot be had.
    pub(super) fn start(retention: &str) -> Option<Self> {
        let (bucket, database) = (S3Server::start()?, PostgresServer::start()?);
        let scratch = Scratch::new();
        let token = create(&scratch.join("tokens"), "ci", &["--allow", "push,pin"]);
        let credentials = bucket.credentials_file().display().to_string();
        let mut world = Self {
            bucket,
            database,
            replicas: (0..REPLICAS).map(|_| None).collect(),
            ports: (0..REPLICAS).map(|_| (lasting_port(), lasting_port())).collect(),
            collector: None,
            scratch,
            credentials,
            token,
            retention: retention.to_owned(),
            kills: BTreeMap::new(),
        };
        world.start_replicas();
        Some(world)
    }

    fn start_replicas(&mut self) {
        let started: Vec<_> = thread::scope(|scope| {
            let world = &*self;
            let starting: Vec<_> =
                (0..REPLICAS).map(|index| scope.spawn(move || world.replica(index))).collect();
            starting.into_iter().map(|replica| Some(replica.join().unwrap())).collect()
        });
        self.replicas = started;
    }

    fn replica(&self, index: usize) -> Server {
        let (plain, tls) = self.ports[index];
        let listen = [format!("127.0.0.1:{plain}"), format!("tls://127.0.0.1:{tls}")];
        let (certificate, key) = (given("one.crt"), given("one.key"));
        let tokens = self.scratch.join("tokens");
        let access = format!("[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]");
        server()
            .keys([SECRET_KEY])
            .listen(listen.iter().map(String::as_str))
            .section(&format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}"))
            .section(&access)
            .section(&self.storage())
            .section(&self.retention)
            .store_flag("enabled", false)
            .env("AWS_SHARED_CREDENTIALS_FILE", &self.credentials)
            .start()
    }

    /// The sections of the configuration about storage and index.
    pub(super) fn storage(&self) -> String {
        let (index, storage) = (self.database.url(), self.bucket.url());
        format!("[index]\nurl = {index:?}\n[storage]\nurl = {storage:?}")
    }

    /// Kills all replicas, and starts them with this section. Returns when they were dead.
    pub(super) fn restart_with(&mut self, retention: &str) -> Instant {
        retention.clone_into(&mut self.retention);
        self.replicas.clear();
        let dead = Instant::now();
        self.start_replicas();
        dead
    }

    /// Where the replicas listen, when they are up.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.iter().map(|(plain, _)| (Ipv4Addr::LOCALHOST, *plain).into()).collect()
    }

    /// The same as parts of URLs: the scheme, and host and port.
    pub(super) fn places(&self) -> Vec<(&'static str, String)> {
        let place = |(plain, tls): &(u16, u16)| {
            [("http", format!("127.0.0.1:{plain}")), ("https", format!("127.0.0.1:{tls}"))]
        };
        self.ports.iter().flat_map(place).collect()
    }

    /// Kills something, and starts it again after a pause.
    fn kill(&mut self, random: &mut Random) {
        let pause = Duration::from_millis(random.below(150));
        let others = 2 + u64::from(self.collector.is_some());
        let killed = match random.below(REPLICAS as u64 + others) {
            0 => {
                self.bucket.stop();
                thread::sleep(pause);
                self.bucket.restart();
                "bucket"
            }
            1 => {
                self.database.stop();
                thread::sleep(pause);
                self.database.restart();
                "database"
            }
            index @ 2..5 => {
                let index = index as usize - 2;
                if let Some(replica) = self.replicas[index].take() {
                    replica.signal(Signal::KILL);
                }
                thread::sleep(pause);
                self.replicas[index] = Some(self.replica(index));
                "replica"
            }
            _ if self.collector.as_ref().is_some_and(Collector::kill) => "storage gc",
            _ => return,
        };
        *self.kills.entry(killed).or_default() += 1;
    }

    /// Kills and restarts until the clients are done, with pauses in between. `is_due` says for the number of kills so far
    /// whether there may be one more.
    pub(super) fn kill_until(
        &mut self,
        is_done: &AtomicBool,
        is_due: impl Fn(usize) -> bool,
        max_pause: Duration,
        random: &mut Random,
    ) {
        for kills in 0.. {
            let pause = Duration::from_millis(random.below(max_pause.as_millis() as u64));
            let end = Instant::now() + pause;
            while Instant::now() < end || !is_due(kills) {
                if is_done.load(Relaxed) {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
            self.kill(random);
        }
    }

    /// Ends collections until the answer is dropped.
    pub(super) fn pause_collection(&self) -> Paused {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let index = PostgresIndex::new(&self.database.url()).unwrap();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(lock) = runtime.block_on(index.lock_collection()).unwrap() {
                return Paused { _lock: lock, _index: index, _runtime: runtime };
            }
            assert!(Instant::now() < deadline, "a collection does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The number of kills of each process, for people.
    pub(super) fn kills(&self, of_clients: usize) -> String {
        let kills = self.kills.iter().map(|(what, count)| format!("{what} {count}"));
        let all = kills.chain([format!("clients {of_clients}")]);
        all.collect::<Vec<_>>().join(", ")
    }
}

/// Holds the lock of collectors, whose connection ends with the runtime.
pub(super) struct Paused {
    _lock: IndexLock,
    _index: PostgresIndex,
    _runtime: Runtime,
}
