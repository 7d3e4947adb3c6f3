//! More compressions than can run at once, and the requests beside them.

use std::{
    borrow::Cow,
    ops::Range,
    sync::{Arc, Condvar, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use rns_cache::{
    BinaryCache, Blob, BlobBody, BuildLog, CacheError, Chunks, DebugInfo, Listing, NarAnswer,
    NotReady, PathRecord, Served, async_trait,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarName, Realisation,
    ServePath, StoreDir, StorePath,
};
use rns_nix_store::{Codec, CompressedCache, LocalStore, NarCache, NarCacheConfig};
use tokio::{task::spawn_blocking, time::timeout};

use rns_testing::Tree;

use crate::{Lab, collect};

/// Only a fault takes so long.
const FOR_EVER: Duration = Duration::from_secs(60);

/// A store in which some NARs are special.
struct Special {
    store: LocalStore,
    paths: Vec<HashPart>,
    nars: Nars,
}

enum Nars {
    /// Nothing is known of them before this is open.
    Stuck(Arc<Gate>),
    /// They never end.
    Endless,
}

#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
    fn wait(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

/// A NAR of zeros.
struct Endless;

#[async_trait]
impl Blob for Endless {
    fn len(&self) -> u64 {
        1 << 40
    }
    fn etag(&self) -> Cow<'_, str> {
        "endless".into()
    }
    async fn read(&self, _: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        Ok(Some(BlobBody::Stream(Box::new(Self))))
    }
}

impl Chunks for Endless {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[0; 256 << 10]))))
    }
}

#[async_trait]
impl BinaryCache for Special {
    fn store_dir(&self) -> &StoreDir {
        self.store.store_dir()
    }
    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        BinaryCache::path_info(&self.store, hash).await
    }
    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        if !name.hash_part.is_some_and(|hash| self.paths.contains(&hash)) {
            return BinaryCache::nar(&self.store, name).await;
        }
        match &self.nars {
            Nars::Stuck(gate) => {
                // As a walk through a tree: on the pool that puts questions to the database.
                let gate = Arc::clone(gate);
                spawn_blocking(move || gate.wait()).await.unwrap();
                BinaryCache::nar(&self.store, name).await
            }
            Nars::Endless => Ok(Some(NarAnswer::Finished(Arc::new(Endless)))),
        }
    }
    async fn listing(&self, _: HashPart) -> Result<Option<Listing>, CacheError> {
        Ok(None)
    }
    async fn log(&self, _: &LogName) -> Result<Option<BuildLog>, CacheError> {
        Ok(None)
    }
    async fn realisation(&self, _: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        Ok(None)
    }
    async fn build_trace(
        &self,
        _: &StorePath,
        _: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        Ok(None)
    }
    async fn debug_info(&self, _: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        Ok(None)
    }
    async fn file(&self, _: HashPart, _: &ServePath) -> Result<Option<Served>, CacheError> {
        Ok(None)
    }
    async fn readiness(&self) -> Vec<NotReady> {
        Vec::new()
    }
}

fn special(lab: &Lab, paths: &[StorePath], nars: Nars, config: NarCacheConfig) -> CompressedCache {
    let paths = paths.iter().map(StorePath::hash_part).collect();
    let inner = Special { store: LocalStore::open(lab.config()), paths, nars };
    CompressedCache::new(Arc::new(inner), NarCache::open(config), Some(Codec::Zstd))
}

fn name(lab: &Lab, path: &StorePath, compression: Compression) -> NarName {
    NarName::new(path.hash_part(), lab.store.info(path).nar_hash, compression)
}

#[test]
fn thousands_of_cold_nars_delay_no_miss_no_narinfo_and_no_plain_nar() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        // Fewer than there are cold NARs, as in a server with thousands of them.
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut lab = Lab::new();
        let (small, large) = (lab.add("cold", 1000), lab.add("cold-large", 5 << 20));
        let plain = lab.add("plain", 300_000);
        let gate = Arc::new(Gate::default());
        let stuck = Nars::Stuck(Arc::clone(&gate));
        let cache = special(&lab, &[small.clone(), large.clone()], stuck, lab.cache());
        let cold = [&small, &large].map(|path| name(&lab, path, Compression::Zstd));
        let asked: Vec<_> = (0..3000)
            .map(|number| {
                let (cache, name) = (cache.clone(), cold[number % 2]);
                tokio::spawn(async move { cache.nar(&name).await.unwrap().is_some() })
            })
            .collect();
        let missing = StorePath::parse("00000000000000000000000000000000-x").unwrap();
        let others = async {
            assert!(cache.path_info(missing.hash_part()).await.unwrap().is_none());
            // It is not known how long its file is.
            let record = cache.path_info(large.hash_part()).await.unwrap().unwrap();
            assert_eq!(record.offer.compression, Compression::Zstd);
            assert!(cache.nar(&name(&lab, &plain, Compression::None)).await.unwrap().is_some());
        };
        let answered = timeout(FOR_EVER, others).await;
        gate.open();
        answered.expect("they wait behind cold NARs");
        for answer in asked {
            assert!(answer.await.unwrap());
        }
    });
}

#[tokio::test]
async fn a_compression_that_all_have_left_makes_room_for_one_that_somebody_waits_for() {
    let mut lab = Lab::new();
    let (left, wanted) = (lab.add("left", 100), lab.add("wanted", 5 << 20));
    let config = NarCacheConfig {
        bytes: 2 << 40,
        // Room for one encoder, which goes on for ever when no other waits.
        encoder_memory_bytes: 1,
        grace: Duration::MAX,
        xz_level: 0,
        ..lab.cache()
    };
    let cache = special(&lab, std::slice::from_ref(&left), Nars::Endless, config);
    let ask =
        async |path: &StorePath| match cache.nar(&name(&lab, path, Compression::Xz)).await.unwrap()
        {
            Some(NarAnswer::Growing(growing)) => growing.stream().await.unwrap().unwrap(),
            _ => panic!("it is large"),
        };
    drop(ask(&left).await);
    let waiting = async { collect(ask(&wanted).await).await };
    let compressed = timeout(FOR_EVER, waiting).await.expect("it is never its turn").unwrap();
    assert!(!compressed.is_empty());
}

#[tokio::test]
async fn packed_contents_are_offered_as_they_are_and_not_compressed_in_advance() {
    let mut lab = Lab::new();
    let noise = |len: usize| {
        let mut state = 1_u64;
        let byte = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        Tree::file(std::iter::repeat_with(byte).take(len).collect::<Vec<u8>>())
    };
    let packed = [lab.store.add("small", noise(100_000)), lab.store.add("large", noise(6 << 20))];
    let others = [lab.add("small-text", 100_000), lab.add("large-text", 6 << 20)];
    let cache = special(&lab, &[], Nars::Endless, lab.cache());
    let offered = async |path: &StorePath| {
        let record = cache.path_info(path.hash_part()).await.unwrap().unwrap();
        let is_plain = record.offer.compression == Compression::None;
        assert!(!is_plain || record.offer.complete && record.offer.file.is_some());
        // It can be had as it is offered.
        let name = name(&lab, path, record.offer.compression);
        assert_eq!(record.offer.url, name.canonical_url());
        assert!(cache.nar(&name).await.unwrap().is_some());
        record.offer.compression
    };
    for path in &packed {
        assert_eq!(offered(path).await, Compression::None, "{path}");
    }
    for path in &others {
        assert_eq!(offered(path).await, Compression::Zstd, "{path}");
    }
    assert!(
        !lab.files()
            .iter()
            .any(|file| { file.starts_with(&lab.store.info(&packed[1]).nar_hash.to_nix32()) })
    );
}
