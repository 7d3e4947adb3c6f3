//! Compressed NARs: made once, read by many, resumed at any time, and not lost by anything that happens to the cache.

#![allow(
    clippy::unwrap_used,
    clippy::or_fun_call,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod crowds;
mod failures;
mod keeping;
mod reading;

use std::{
    fs,
    ops::{Deref, Range},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rns_cache::{BackendStats, Blob, BlobBody, CacheError, Chunks, GrowingBlob as _};
use rns_formats::StorePath;
use rns_nix_store::{
    Codec, Compressed, CompressedCache, Finished, GrowingNar, LocalStore, NarCache, NarCacheConfig,
    StoreConfig,
};
use rns_testing::{FixtureStore, Scratch, Tree};

/// A local store whose NARs are compressed.
struct Opened {
    local: LocalStore,
    nars: Arc<NarCache>,
    compressed: CompressedCache,
}

impl Opened {
    fn new(store: StoreConfig, cache: NarCacheConfig) -> Self {
        let (local, nars) = (LocalStore::open(store), NarCache::open(cache));
        let compressed = CompressedCache::new(Arc::new(local.clone()), Arc::clone(&nars), None);
        Self { local, nars, compressed }
    }

    fn numbers(&self) -> BackendStats {
        BackendStats { nar_cache: self.nars.stats(), ..self.local.numbers() }
    }
}

impl Deref for Opened {
    type Target = CompressedCache;

    fn deref(&self) -> &CompressedCache {
        &self.compressed
    }
}

/// The bytes of a NAR while it is compressed; the path is there.
async fn stream(growing: GrowingNar) -> Box<dyn Chunks> {
    Box::new(growing).stream().await.unwrap().expect("the path is there")
}

/// A store with a cache of its own.
struct Lab {
    store: FixtureStore,
    scratch: Scratch,
}

impl Lab {
    fn new() -> Self {
        Self { store: FixtureStore::new(), scratch: Scratch::new() }
    }

    fn directory(&self) -> PathBuf {
        self.scratch.join("nars")
    }

    fn cache(&self) -> NarCacheConfig {
        NarCacheConfig { xz_level: 1, ..NarCacheConfig::new(self.directory()) }
    }

    fn config(&self) -> StoreConfig {
        StoreConfig {
            daemon_socket: None,
            ..StoreConfig::for_root(self.store.root(), self.store.store_dir().clone())
        }
    }

    fn open(&self) -> Opened {
        self.open_with(self.cache())
    }

    fn open_with(&self, cache: NarCacheConfig) -> Opened {
        Opened::new(self.config(), cache)
    }

    /// The names of the files in the cache, temporary ones too.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory()).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A path whose NAR has this many bytes and a little more, half of them hard to compress.
    fn add(&mut self, name: &str, len: usize) -> StorePath {
        self.store.add(name, Tree::file(half_noise(len, name.len() as u64)))
    }
}

fn half_noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    let mut bytes = Vec::with_capacity(len + 16);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
        bytes.extend_from_slice(b"constant");
    }
    bytes.truncate(len);
    bytes
}

async fn ask(store: &Opened, path: &StorePath, codec: Codec) -> Option<Compressed> {
    store.compressed_nar(path.hash_part(), None, codec).await.unwrap()
}

async fn finished(store: &Opened, path: &StorePath) -> Finished {
    match ask(store, path, Codec::Zstd).await {
        Some(Compressed::Finished(finished)) => finished,
        Some(Compressed::GrowingNar(growing)) => {
            growing.finish().await.unwrap().expect("compressed")
        }
        None => panic!("{path} is not compressed"),
    }
}

async fn growing(store: &Opened, path: &StorePath) -> GrowingNar {
    match ask(store, path, Codec::Zstd).await {
        Some(Compressed::GrowingNar(growing)) => growing,
        Some(Compressed::Finished(_)) => panic!("{path} is there already"),
        None => panic!("{path} is not compressed"),
    }
}

async fn collect(mut chunks: impl Chunks) -> Result<Vec<u8>, (Vec<u8>, CacheError)> {
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next_chunk().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(error) => return Err((all, error)),
        }
    }
    Ok(all)
}

async fn read(finished: &dyn Blob, range: Range<u64>) -> Vec<u8> {
    match finished.read(range).await.unwrap().expect("it is still there") {
        BlobBody::Whole(bytes) => bytes.to_vec(),
        BlobBody::Stream(mut chunks) => {
            let mut all = Vec::new();
            while let Some(chunk) = std::future::poll_fn(|cx| chunks.poll_chunk(cx)).await {
                all.extend_from_slice(&chunk.unwrap());
            }
            all
        }
    }
}

async fn whole(finished: &dyn Blob) -> Vec<u8> {
    read(finished, 0..finished.len()).await
}

/// Waits until something is so.
async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "{what}: not after twenty seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
