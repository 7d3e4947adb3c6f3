//! The compressed NARs that are kept, and those that are being made.

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

use rns_cache::NarCacheStats;
use tokio::{sync::watch, task::spawn_blocking};

use super::{
    config::{Codec, NarCacheConfig},
    disk::{CachedFile, Disk},
    encode_progress::EncodeProgress,
    encoder_limits::EncoderLimits,
    file_name::CompressedFile,
    finished::Finished,
    memory::{self, Memory, Small},
    slots::Slots,
    worth::Worth,
};
use crate::file_io::nonblocking_io::NonblockingIo;

/// How long a full disk is left in peace.
const FULL_CACHE_RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Compressions that may wait or run before narinfos are answered without them.
const MAX_WAITING: usize = 128;

/// NARs that are looked for and sampled side by side. Each may occupy a thread of the pool that answers everything else.
const PREPARED: u32 = 4;

/// The cache of compressed NARs.
pub struct NarCache {
    pub(super) config: NarCacheConfig,
    pub(super) disk: Disk,
    pub(super) memory: Memory,
    pub(super) worth: Worth,
    /// One slot for each NAR that is opened to be compressed.
    pub(super) prepared: Slots,
    productions: Mutex<HashMap<Arc<str>, Arc<EncodeProgress>>>,
    zstd: Arc<EncoderLimits>,
    xz: Arc<EncoderLimits>,
    /// True as soon as the files of an earlier run are known.
    ready: watch::Sender<bool>,
    /// The cache cannot be written, and the operator has been told.
    failing: AtomicBool,
    /// When the disk was full.
    full: Mutex<Option<Instant>>,
    /// When a write failed.
    failed: Mutex<Option<Instant>>,
    pub(super) running: AtomicU64,
    pub(super) made: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    /// Whether its files can be read without waiting.
    pub(super) nonblocking_io: NonblockingIo,
}

impl NarCache {
    /// Opens the cache; a thread reads its directory.
    #[must_use]
    pub fn open(config: NarCacheConfig) -> Arc<Self> {
        let cache = Arc::new(Self {
            disk: Disk::new(config.directory.clone(), config.bytes),
            memory: Memory::new(config.memory_bytes),
            worth: Worth::new(),
            prepared: Slots::new(PREPARED),
            productions: Mutex::default(),
            zstd: Arc::new(EncoderLimits::new(
                Codec::Zstd,
                config.zstd_level,
                config.encoder_memory_bytes,
            )),
            xz: Arc::new(EncoderLimits::new(
                Codec::Xz,
                config.xz_level,
                config.encoder_memory_bytes,
            )),
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
            // A file from before is not used; it is written over as it is made again.
            cache.ready.send_replace(true);
        }
        cache
    }

    pub(super) const fn limits(&self, codec: Codec) -> &Arc<EncoderLimits> {
        match codec {
            Codec::Zstd => &self.zstd,
            Codec::Xz => &self.xz,
        }
    }

    /// Waits until the files of an earlier run are known.
    pub(super) async fn ready(&self) {
        _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Whether a NAR of this size is compressed before its first byte is sent.
    pub(super) const fn is_whole(&self, nar_size: u64) -> bool {
        nar_size <= self.config.whole_bytes
    }

    /// The facts about a compressed NAR.
    pub(super) fn known(&self, tag: &str) -> Option<CompressedFile> {
        self.memory.get(tag).map(|small| small.file).or_else(|| self.disk.known(tag))
    }

    /// A compressed NAR that is here.
    pub(super) async fn find(self: &Arc<Self>, tag: &Arc<str>) -> Option<Finished> {
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
    pub(super) fn read_now(&self, tag: &Arc<str>, found: CachedFile) -> Option<Finished> {
        let tag = Arc::clone(tag);
        if memory::is_small(&found.file) {
            return Some(self.remember(tag, memory::read_now(&found, &self.nonblocking_io)?));
        }
        Some(Finished::in_file(tag, found))
    }

    pub(super) fn remember(&self, tag: Arc<str>, small: Small) -> Finished {
        self.memory.insert(Arc::clone(&tag), small.clone());
        Finished::in_memory(tag, small)
    }

    /// Whether so many compressions are waiting that none should be started that no client has asked for.
    pub(super) fn is_busy(&self) -> bool {
        self.productions.lock().unwrap_or_else(PoisonError::into_inner).len() >= MAX_WAITING
    }

    /// The compression that is entered under this name, and whether it has just been entered.
    pub(super) fn progress(&self, tag: &Arc<str>) -> (Arc<EncodeProgress>, bool) {
        let mut productions = self.productions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(production) = productions.get(tag) {
            return (Arc::clone(production), false);
        }
        let production = Arc::new(EncodeProgress::new());
        productions.insert(Arc::clone(tag), Arc::clone(&production));
        (production, true)
    }

    /// Enters a compression that no client has asked for. Whether no other task is at it.
    pub(super) fn begin(&self, tag: &Arc<str>, production: &Arc<EncodeProgress>) -> bool {
        let mut productions = self.productions.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = !productions.contains_key(tag);
        if is_free {
            productions.insert(Arc::clone(tag), Arc::clone(production));
        }
        is_free
    }

    /// Whether a NAR of this size fits in without driving out others.
    pub(super) fn has_room(&self, nar_size: u64) -> bool {
        self.disk.bytes().saturating_add(nar_size) <= self.config.bytes
    }

    /// The compression has ended; its result is where `find` looks.
    pub(super) fn end(&self, tag: &str, production: &Arc<EncodeProgress>) {
        let mut productions = self.productions.lock().unwrap_or_else(PoisonError::into_inner);
        if productions.get(tag).is_some_and(|running| Arc::ptr_eq(running, production)) {
            productions.remove(tag);
        }
    }

    /// The counters.
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
    pub(super) fn is_paused(&self) -> bool {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.is_some_and(|since| since.elapsed() < FULL_CACHE_RETRY_INTERVAL)
    }

    /// Tells the operator when the cache cannot be written any more, and when it can again.
    pub(super) fn note<T>(&self, written: &io::Result<T>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            // Nothing was tried.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return,
            Err(_) => *failed = Some(Instant::now()),
            // Between two failures there is always something small that fits.
            Ok(_) if failed.is_some_and(|since| since.elapsed() < FULL_CACHE_RETRY_INTERVAL) => {
                return;
            }
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
        let long_ago = Instant::now().checked_sub(FULL_CACHE_RETRY_INTERVAL);
        *cache.failed.lock().unwrap() = long_ago;
        cache.note::<()>(&Err(io::ErrorKind::ResourceBusy.into()));
        cache.note(&Ok(()));
        assert!(!is_failing());
    }
}
