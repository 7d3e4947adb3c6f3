//! Several caches as one: which of them answers, and the effect of an outage of one of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as tests")]

use std::sync::Arc;

use bytes::Bytes;
use rns_cache::{
    BinaryCache, BuildLog, CacheError, DebugInfo, Freshness, Layered, Listing, NarAnswer, NarOffer,
    NotReady, PathRecord, Peek, Served, async_trait,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarName, PathInfo,
    Realisation, ServePath, Sha256Digest, StoreDir, StorePath,
};

/// A cache that has the same to say to each question.
enum Layer {
    /// It has the path, with a NAR of this size.
    Hit(u64),
    Miss,
    Outage,
}

use Layer::{Hit, Miss, Outage};

impl Layer {
    fn answer<T>(&self, found: impl FnOnce(u64) -> T) -> Result<Option<T>, CacheError> {
        match self {
            Hit(size) => Ok(Some(found(*size))),
            Miss => Ok(None),
            Outage => Err(CacheError::Unavailable { what: "it is away".into(), remedy: "wait" }),
        }
    }
}

fn hash() -> HashPart {
    HashPart::parse("00000000000000000000000000000001").unwrap()
}

fn store_dir() -> &'static StoreDir {
    static DIR: std::sync::OnceLock<StoreDir> = std::sync::OnceLock::new();
    DIR.get_or_init(StoreDir::default)
}

#[async_trait]
impl BinaryCache for Layer {
    fn store_dir(&self) -> &StoreDir {
        store_dir()
    }

    fn peek(&self, _: &HashPart) -> Peek {
        match self {
            Hit(size) => Peek::Hit {
                freshness: Freshness::of_record((*size).into()),
                nar_hash: Sha256Digest::of(b"x"),
            },
            Miss => Peek::Miss,
            Outage => Peek::Unknown,
        }
    }

    async fn path_info(&self, _: HashPart) -> Result<Option<PathRecord>, CacheError> {
        self.answer(|nar_size| PathRecord {
            info: Arc::new(PathInfo {
                path: StorePath::parse("00000000000000000000000000000001-x").unwrap(),
                nar_hash: Sha256Digest::of(b"x"),
                nar_size,
                references: Vec::new(),
                deriver: None,
                signatures: Vec::new(),
                ca: None,
                ultimate: false,
                provenance: None,
                unknown: Vec::new(),
                registration_time: 0,
            }),
            offer: NarOffer {
                url: "nar/x.nar".into(),
                compression: Compression::None,
                file: None,
                complete: true,
            },
            freshness: Freshness::of_record(nar_size.into()),
        })
    }

    async fn nar(&self, _: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        Ok(None)
    }

    async fn listing(&self, _: HashPart) -> Result<Option<Listing>, CacheError> {
        self.answer(|size| Listing { json: Bytes::new(), etag: size.to_string() })
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

    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        Ok(self.answer(|_| vec![hash()])?.unwrap_or_default())
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.answer(|_| ()).err().map(NotReady::Store).into_iter().collect()
    }
}

fn layered(first: Layer, second: Layer) -> Layered {
    Layered::new(Arc::new(first), vec![Arc::new(second)])
}

/// The size of the NAR that is found; an error without its reason.
async fn size(first: Layer, second: Layer) -> Result<Option<u64>, ()> {
    let cache = layered(first, second);
    let record = cache.path_info(hash()).await.map_err(|_| ())?;
    let listing = cache.listing(hash()).await.unwrap();
    assert_eq!(
        listing.map(|listing| listing.etag),
        record.as_ref().map(|record| record.info.nar_size.to_string())
    );
    Ok(record.map(|record| record.info.nar_size))
}

#[tokio::test]
async fn the_first_hit_counts() {
    assert_eq!(size(Hit(1), Hit(2)).await, Ok(Some(1)));
    assert_eq!(size(Miss, Hit(2)).await, Ok(Some(2)));
    assert_eq!(size(Hit(1), Miss).await, Ok(Some(1)));
    assert_eq!(size(Miss, Miss).await, Ok(None));
}

#[tokio::test]
async fn an_outage_is_neither_a_miss_nor_the_end_of_hits() {
    assert_eq!(size(Hit(1), Outage).await, Ok(Some(1)));
    assert_eq!(size(Outage, Hit(2)).await, Ok(Some(2)));
    assert_eq!(size(Outage, Miss).await, Err(()));
    assert_eq!(size(Miss, Outage).await, Err(()));
    assert_eq!(layered(Hit(1), Outage).readiness().await.len(), 1);
}

#[tokio::test]
async fn a_peek_is_a_miss_only_where_all_layers_say_so() {
    assert_eq!(layered(Miss, Miss).peek(&hash()), Peek::Miss);
    assert_eq!(layered(Miss, Outage).peek(&hash()), Peek::Unknown);
    // The upper layer may have it.
    assert_eq!(layered(Outage, Hit(2)).peek(&hash()), Peek::Unknown);
    assert!(matches!(layered(Miss, Hit(2)).peek(&hash()), Peek::Hit { .. }));
}

#[tokio::test]
async fn the_same_record_from_another_layer_is_of_another_state() {
    let freshness = async |cache: Layered| {
        let record = cache.path_info(hash()).await.unwrap().unwrap();
        let peek = cache.peek(&hash());
        let nar_hash = Sha256Digest::of(b"x");
        assert_eq!(peek, Peek::Hit { freshness: record.freshness, nar_hash });
        record.freshness
    };
    assert_ne!(freshness(layered(Hit(1), Miss)).await, freshness(layered(Miss, Hit(1))).await);
}

#[tokio::test]
async fn a_sample_is_of_all_layers_and_an_outage_is_no_empty_one() {
    let sample = async |first, second| layered(first, second).sample().await.map_err(|_| ());
    assert_eq!(sample(Hit(1), Hit(2)).await, Ok(vec![hash(), hash()]));
    assert_eq!(sample(Outage, Hit(2)).await, Ok(vec![hash()]));
    assert_eq!(sample(Miss, Miss).await, Ok(Vec::new()));
    assert_eq!(sample(Miss, Outage).await, Err(()));
}
