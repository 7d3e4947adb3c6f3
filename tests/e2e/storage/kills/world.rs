//! The servers, the bucket and the database, and how they are killed.

use std::{
    env,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rns_testing::{PostgresServer, S3Server, Server};
use rustix::process::Signal;

use super::REPLICAS;
use crate::support::{SECRET_KEY, server};

/// Numbers that look random, and are the same for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

pub(super) fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

pub(super) struct World {
    pub(super) bucket: S3Server,
    pub(super) database: PostgresServer,
    pub(super) replicas: Vec<Option<Server>>,
    pub(super) credentials: String,
    pub(super) tokens: PathBuf,
    /// The section of the configuration about what is collected.
    pub(super) retention: &'static str,
}

impl World {
    pub(super) fn start_replica(&mut self, index: usize) {
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
    pub(super) fn restart_with(&mut self, retention: &'static str) {
        self.retention = retention;
        for index in 0..REPLICAS {
            if let Some(replica) = self.replicas[index].take() {
                replica.signal(Signal::KILL);
            }
            self.start_replica(index);
        }
    }

    /// Where the replicas listen; those that are down listen nowhere.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.replicas.iter().flatten().map(Server::address).collect()
    }
}

/// Kills and restarts until the clients are done.
pub(super) fn kill_things(
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
