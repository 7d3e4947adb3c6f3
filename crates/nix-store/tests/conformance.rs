//! The conformance suite over the local store: all of it, through a policy, and compressed.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as tests")]

use std::{fs, io::Read as _, sync::Arc, time::Duration};

use bytes::Bytes;
use rns_cache::{
    BinaryCache, CacheFactory as _, ExposurePolicy, Pattern, async_trait,
    conformance::{BackendUnderTest, Specimen, check},
};
use rns_formats::{Compression, StorePath};
use rns_nix_store::{Codec, LocalCaches, NarCacheConfig, StoreConfig};
use rns_testing::{FixtureStore, Scratch, Standard, Tree};

struct Local {
    fixture: FixtureStore,
    specimens: Vec<StorePath>,
    cache: Arc<dyn BinaryCache>,
    added: usize,
    _scratch: Scratch,
}

impl Local {
    fn new(offer: Option<Codec>, expose: &ExposurePolicy) -> Self {
        let standard = Standard::new();
        let specimens = [
            &standard.tree,
            &standard.top,
            &standard.itself,
            &standard.special,
            &standard.blob,
            &standard.dep,
            &standard.bytes,
        ];
        let specimens = specimens.into_iter().cloned().collect();
        let (fixture, scratch) = (standard.store, Scratch::new());
        let config = StoreConfig {
            daemon_socket: None,
            busy_timeout: Duration::from_millis(50),
            nar_cache: offer.map(|offer| NarCacheConfig {
                offer: Some(offer),
                whole_bytes: 100_000,
                xz_level: 0,
                ..NarCacheConfig::new(scratch.join("nars"))
            }),
            ..StoreConfig::for_root(fixture.root(), fixture.store_dir().clone())
        };
        let cache = LocalCaches::open(config).cache(None, expose);
        Self { fixture, specimens, cache, added: 0, _scratch: scratch }
    }

    fn specimen(&self, path: &StorePath) -> Specimen {
        Specimen {
            info: self.fixture.info(path).clone(),
            nar: self.fixture.nar(path).into(),
            has_listing: !path.name().starts_with("bytes"),
        }
    }
}

#[async_trait]
impl BackendUnderTest for Local {
    fn cache(&self) -> Arc<dyn BinaryCache> {
        Arc::clone(&self.cache)
    }

    fn specimens(&self) -> Vec<Specimen> {
        self.specimens.iter().map(|path| self.specimen(path)).collect()
    }

    async fn add(&mut self) -> Specimen {
        self.added += 1;
        let path = self.fixture.add(&format!("added-{}", self.added), Tree::file("new"));
        self.specimen(&path)
    }

    async fn remove(&mut self, path: &StorePath) {
        self.fixture.forget(path);
        self.fixture.remove_files(path);
    }

    async fn set_outage(&mut self, is_out: bool) -> bool {
        let (database, away) = (self.fixture.database(), self.fixture.root().join("away"));
        self.fixture.close_database();
        let (from, to) = if is_out { (&database, &away) } else { (&away, &database) };
        fs::rename(from, to).unwrap();
        if !is_out {
            self.fixture.open_database();
        }
        true
    }

    fn unpack(&self, compression: Compression, file: Bytes) -> Bytes {
        match compression {
            Compression::Zstd => zstd::decode_all(&*file).unwrap().into(),
            Compression::Xz => {
                let mut nar = Vec::new();
                xz2::read::XzDecoder::new(&*file).read_to_end(&mut nar).unwrap();
                nar.into()
            }
            _ => file,
        }
    }
}

#[tokio::test]
async fn the_local_store_conforms() {
    check(&mut Local::new(None, &ExposurePolicy::default())).await;
}

#[tokio::test]
async fn the_local_store_conforms_when_it_is_compressed() {
    for codec in [Codec::Zstd, Codec::Xz] {
        check(&mut Local::new(Some(codec), &ExposurePolicy::default())).await;
    }
}

#[tokio::test]
async fn a_part_of_the_local_store_conforms() {
    let policy = ExposurePolicy {
        deny: vec![Pattern::parse("nothing-has-this-name").unwrap()],
        ..ExposurePolicy::default()
    };
    check(&mut Local::new(Some(Codec::Zstd), &policy)).await;
}
