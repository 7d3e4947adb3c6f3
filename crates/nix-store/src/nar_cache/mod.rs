//! NARs are compressed once, whatever the number of clients, and can be resumed at any time.
//!
//! The encoder writes into a file of a directory; those who asked first read that file while it grows, at their own
//! pace. Complete, it gets a name that says its length and hash, and is sent like any other file. How a NAR is
//! compressed is fixed to the last parameter, so that a file that was evicted comes back the same. Whatever
//! becomes of the directory costs time only: a reader whose file is lost goes on with a compression of its own.
//!
//! - `compressed`: the adapter, a [`rns_cache::BinaryCache`] around another
//! - `config`, `recipe`, `encoder`, `lane`: what is compressed how, and how many side by side
//! - `portions`, `encode_job`, `encode_progress`: one compression that runs, and its readers
//! - `uncached_encoder`: a compression for one reader
//! - `tail_reader`, `finished`, `ready`, `steps`: what a reader gets
//! - `early`: what begins when the narinfo is asked for
//! - `prewarm`, `throttle`: what is done before anybody asks
//! - `disk`, `file_name`, `memory`: where results are kept

mod compressed;
mod config;
mod disk;
mod early;
mod encode_job;
mod encode_progress;
mod encoder;
mod file_name;
mod finished;
mod lane;
mod memory;
mod portions;
pub(crate) mod prewarm;
mod ready;
mod recipe;
mod steps;
mod tail_reader;
mod throttle;
mod uncached_encoder;

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rns_cache::{Blob, NarCacheStats};
use tokio::{sync::watch, task::spawn_blocking};

use self::recipe::Recipe;
pub use self::{
    compressed::{Compressed, CompressedCache, Warmed},
    config::{Codec, NarCacheConfig},
    file_name::CompressedFile,
    finished::Finished,
    prewarm::Prewarm,
    tail_reader::GrowingNar,
};
use self::{
    disk::{Disk, Found},
    encode_job::Order,
    encode_progress::{EncodeProgress, Reader},
    lane::Lane,
    memory::{Memory, Small},
};
use crate::nonblocking_io::NonblockingIo;

/// How long a full disk is left in peace.
const PAUSE: Duration = Duration::from_secs(30);

/// Compressions that may wait or run before narinfos are answered without them.
const BUSY: usize = 128;

/// The cache of compressed NARs.
pub struct NarCache {
    config: NarCacheConfig,
    disk: Disk,
    memory: Memory,
    productions: Mutex<HashMap<Arc<str>, Arc<EncodeProgress>>>,
    zstd: Lane,
    xz: Lane,
    /// True as soon as it is known what an earlier run has left.
    ready: watch::Sender<bool>,
    /// The cache cannot be written, and the operator has been told.
    failing: AtomicBool,
    /// When the disk was full.
    full: Mutex<Option<Instant>>,
    /// When a write failed.
    failed: Mutex<Option<Instant>>,
    running: AtomicU64,
    made: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    /// Whether its files can be read without waiting.
    nonblocking_io: NonblockingIo,
}

impl NarCache {
    /// Opens the cache; a thread finds out what is in it.
    #[must_use]
    pub fn open(config: NarCacheConfig) -> Arc<Self> {
        let cache = Arc::new(Self {
            disk: Disk::new(config.directory.clone(), config.bytes),
            memory: Memory::new(config.memory_bytes),
            productions: Mutex::default(),
            zstd: Lane::new(Codec::Zstd, config.zstd_level, config.encoder_memory_bytes),
            xz: Lane::new(Codec::Xz, config.xz_level, config.encoder_memory_bytes),
            ready: watch::Sender::new(false),
            failing: AtomicBool::new(false),
            full: Mutex::new(None),
            failed: Mutex::new(None),
            running: AtomicU64::new(0),
            made: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            nonblocking_io: NonblockingIo::default(),
            config,
        });
        let scanner = Arc::clone(&cache);
        let scan = move || {
            scanner.disk.scan();
            scanner.ready.send_replace(true);
        };
        if thread::Builder::new().name("nar-cache".to_owned()).spawn(scan).is_err() {
            // What is there from before is not used; it is written over as it is made again.
            cache.ready.send_replace(true);
        }
        cache
    }

    const fn lane(&self, codec: Codec) -> &Lane {
        match codec {
            Codec::Zstd => &self.zstd,
            Codec::Xz => &self.xz,
        }
    }

    /// Waits until it is known what an earlier run has left.
    async fn ready(&self) {
        _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Whether a NAR of this size is compressed before its first byte is sent.
    const fn is_whole(&self, nar_size: u64) -> bool {
        nar_size <= self.config.whole_bytes
    }

    /// What is known of a compressed NAR.
    fn known(&self, tag: &str) -> Option<CompressedFile> {
        self.memory.get(tag).map(|small| small.file).or_else(|| self.disk.known(tag))
    }

    /// A compressed NAR that is here.
    async fn find(self: &Arc<Self>, tag: &Arc<str>) -> Option<Finished> {
        self.ready().await;
        if let Some(small) = self.memory.get(tag) {
            self.disk.used(tag);
            return Some(Finished::in_memory(Arc::clone(tag), small));
        }
        self.disk.known(tag)?;
        if let Some(found) = self.disk.open_now(tag, &self.nonblocking_io)
            && let Some(finished) = self.read_now(tag, found)
        {
            return Some(finished);
        }
        let (cache, tag) = (Arc::clone(self), Arc::clone(tag));
        spawn_blocking(move || {
            let found = cache.disk.open(&tag)?;
            Some(match memory::read(&found) {
                Some(small) => cache.remember(tag, small),
                None => Finished::in_file(tag, found),
            })
        })
        .await
        .ok()?
    }

    /// A file that needs not be waited for; `None` when it would have to be.
    fn read_now(&self, tag: &Arc<str>, found: Found) -> Option<Finished> {
        let tag = Arc::clone(tag);
        if memory::is_small(&found.file) {
            return Some(self.remember(tag, memory::read_now(&found, &self.nonblocking_io)?));
        }
        Some(Finished::in_file(tag, found))
    }

    fn remember(&self, tag: Arc<str>, small: Small) -> Finished {
        self.memory.insert(Arc::clone(&tag), small.clone());
        Finished::in_memory(tag, small)
    }

    /// Whether so many compressions are waiting that none should be started that nobody has asked for.
    fn is_busy(&self) -> bool {
        self.productions.lock().unwrap_or_else(PoisonError::into_inner).len() >= BUSY
    }

    /// Takes part in the compression of a NAR, and starts it if nobody has.
    fn join(self: &Arc<Self>, nar: &Arc<dyn Blob>, recipe: Recipe, tag: &Arc<str>) -> Reader {
        self.join_as(nar, recipe, tag, EncodeProgress::reader)
    }

    fn join_as(
        self: &Arc<Self>,
        nar: &Arc<dyn Blob>,
        recipe: Recipe,
        tag: &Arc<str>,
        reader: fn(&Arc<EncodeProgress>) -> Reader,
    ) -> Reader {
        let mut productions = self.productions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(production) = productions.get(tag) {
            return reader(production);
        }
        let production = Arc::new(EncodeProgress::new());
        let reader = reader(&production);
        productions.insert(Arc::clone(tag), Arc::clone(&production));
        drop(productions);
        tokio::spawn(encode_job::run(Order {
            cache: Arc::clone(self),
            nar: Arc::clone(nar),
            recipe,
            tag: Arc::clone(tag),
            production,
            busy: None,
        }));
        reader
    }

    /// Enters a compression that nobody has asked for. Whether nobody else is at it.
    fn begin(&self, tag: &Arc<str>, production: &Arc<EncodeProgress>) -> bool {
        let mut productions = self.productions.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = !productions.contains_key(tag);
        if is_free {
            productions.insert(Arc::clone(tag), Arc::clone(production));
        }
        is_free
    }

    /// Whether a NAR of this size fits in without driving out others.
    fn has_room(&self, nar_size: u64) -> bool {
        self.disk.bytes().saturating_add(nar_size) <= self.config.bytes
    }

    /// The compression has ended; its result is where `find` looks.
    fn end(&self, tag: &str, production: &Arc<EncodeProgress>) {
        let mut productions = self.productions.lock().unwrap_or_else(PoisonError::into_inner);
        if productions.get(tag).is_some_and(|running| Arc::ptr_eq(running, production)) {
            productions.remove(tag);
        }
    }

    /// What is counted.
    pub fn stats(&self) -> NarCacheStats {
        NarCacheStats {
            bytes: self.disk.bytes(),
            memory_bytes: self.memory.bytes(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.disk.evictions(),
            running: self.running.load(Ordering::Relaxed),
            made: self.made.load(Ordering::Relaxed),
        }
    }

    /// Whether the disk was full a moment ago: filling it again would only disturb others.
    fn is_paused(&self) -> bool {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.is_some_and(|since| since.elapsed() < PAUSE)
    }

    /// Tells the operator when the cache cannot be written any more, and when it can again.
    fn note<T>(&self, written: &io::Result<T>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            // Nothing was tried.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return,
            Err(_) => *failed = Some(Instant::now()),
            // Between two failures there is always something small that fits.
            Ok(_) if failed.is_some_and(|since| since.elapsed() < PAUSE) => return,
            Ok(_) => {}
        }
        drop(failed);
        if let Err(error) = written
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            *self.full.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        let directory = self.disk.directory().display();
        match written {
            Ok(_)
                if self.failing.load(Ordering::Relaxed)
                    && self.failing.swap(false, Ordering::Relaxed) =>
            {
                tracing::info!("the NAR cache {directory} can be written again");
            }
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => tracing::warn!(
                "the NAR cache {directory} cannot be written: {error}; NARs are compressed anew for each download"
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_failures_nothing_is_said_to_work_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = NarCache::open(NarCacheConfig::new(directory.path().join("nars")));
        let is_failing = || cache.failing.load(Ordering::Relaxed);
        cache.note::<()>(&Err(io::ErrorKind::StorageFull.into()));
        assert!(is_failing() && cache.is_paused());
        // Something small still fits, and something that was not even tried says nothing.
        cache.note(&Ok(()));
        cache.note::<()>(&Err(io::ErrorKind::ResourceBusy.into()));
        assert!(is_failing());
        let long_ago = Instant::now().checked_sub(PAUSE);
        *cache.failed.lock().unwrap() = long_ago;
        cache.note::<()>(&Err(io::ErrorKind::ResourceBusy.into()));
        cache.note(&Ok(()));
        assert!(!is_failing());
    }
}
