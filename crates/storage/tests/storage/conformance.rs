//! The conformance suite of all backends, over a directory and a bucket.

use std::{fs, num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{
    BinaryCache, RootLifetime, RootPattern, RootRule, WritableCache,
    conformance::{BackendUnderTest, RootedSubject, Specimen, check, check_roots},
};
use rns_formats::{Compression, StorePath};
use rns_storage::{collect::collect, retention::Retention, write::Storage};
use rns_testing::{FixtureStore, Standard, Tree};

use crate::support::{Fixture, Place, packed};

struct StorageSubject {
    fixture: Fixture,
    store: FixtureStore,
    paths: Vec<StorePath>,
    added: usize,
}

impl StorageSubject {
    fn specimen(&self, path: &StorePath) -> Specimen {
        Specimen {
            info: self.store.info(path).clone(),
            nar: self.store.nar(path).into(),
            has_listing: false,
        }
    }

    /// The objects of a path: their keys and bytes.
    fn objects_of(&self, path: &StorePath, compression: Compression) -> [(String, Bytes); 2] {
        let (narinfo, file) = packed(self.store.info(path), &self.store.nar(path), compression);
        let text = narinfo.write(self.store.store_dir());
        let key = format!("{}.narinfo", path.hash_part());
        [(narinfo.url, file.into()), (key, text.into())]
    }
}

/// Writes objects as `nix copy` does.
async fn write(fixture: &Fixture, objects: [(String, Bytes); 2]) {
    for (key, bytes) in objects {
        fixture.write(&key, bytes).await;
    }
}

#[async_trait]
impl BackendUnderTest for StorageSubject {
    fn cache(&self) -> Arc<dyn BinaryCache> {
        Arc::new(self.fixture.storage.clone())
    }

    fn specimens(&self) -> Vec<Specimen> {
        self.paths.iter().map(|path| self.specimen(path)).collect()
    }

    async fn add(&mut self) -> Specimen {
        self.added += 1;
        let path =
            self.store.add(&format!("added-{}", self.added), Tree::file(format!("{}", self.added)));
        let objects = self.objects_of(&path, Compression::Zstd);
        write(&self.fixture, objects).await;
        self.specimen(&path)
    }

    async fn remove(&mut self, path: &StorePath) {
        self.fixture.remove(&format!("{}.narinfo", path.hash_part())).await;
    }

    async fn set_outage(&mut self, is_out: bool) -> bool {
        if let Some(server) = &mut self.fixture.s3 {
            if is_out {
                server.stop()
            } else {
                server.restart()
            }
            return true;
        }
        // A server of others goes on.
        if self.fixture.directory.as_os_str().is_empty() {
            return false;
        }
        // This is how a disk that is not mounted looks.
        let (here, away) = (&self.fixture.directory, self.fixture.directory.with_extension("away"));
        if is_out {
            fs::rename(here, away).unwrap();
        } else {
            fs::rename(away, here).unwrap();
        }
        true
    }

    fn unpack(&self, compression: Compression, file: Bytes) -> Bytes {
        match compression {
            Compression::Zstd => zstd::decode_all(&file[..]).unwrap().into(),
            Compression::None => file,
            other => panic!("{other}"),
        }
    }
}

/// The suite on this storage.
pub(crate) async fn conforms(fixture: Fixture) {
    let Standard { store, tree, dep, top, itself, blob, .. } = Standard::new();
    let paths = vec![tree, dep, top, itself, blob];
    let mut subject = StorageSubject { fixture, store, paths, added: 0 };
    for (number, path) in subject.paths.iter().enumerate() {
        let compression = if number % 2 == 0 { Compression::None } else { Compression::Zstd };
        write(&subject.fixture, subject.objects_of(path, compression)).await;
    }
    check(&mut subject).await;
}

#[tokio::test]
async fn a_directory_conforms() {
    conforms(Fixture::new(Place::Directory).await.unwrap()).await;
}

#[tokio::test]
async fn a_bucket_conforms() {
    if let Some(fixture) = Fixture::new(Place::Bucket).await {
        conforms(fixture).await;
    }
}

struct RootedStorage {
    fixture: Fixture,
    paths: Vec<StorePath>,
}

impl RootedStorage {
    async fn new(place: Place) -> Option<Self> {
        let (mut fixture, standard) = (Fixture::new(place).await?, Standard::new());
        let paths = vec![standard.dep.clone(), standard.top.clone(), standard.itself.clone()];
        for path in &paths {
            fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
        }
        fixture.storage = with_rules(fixture.storage.clone());
        Some(Self { fixture, paths })
    }
}

fn with_rules(storage: Storage) -> Storage {
    let rule = RootRule {
        roots: vec![RootPattern::parse("pr/*").unwrap()],
        lifetime: RootLifetime { days: NonZeroU32::new(7), revisions: NonZeroU32::new(2) },
    };
    storage.with_retention(Retention { rules: vec![rule], ..Retention::default() })
}

#[async_trait]
impl RootedSubject for RootedStorage {
    fn cache(&self) -> Arc<dyn WritableCache> {
        Arc::new(self.fixture.storage.clone())
    }

    fn paths(&self) -> Vec<StorePath> {
        self.paths.clone()
    }

    /// With an index that is made anew from the storage.
    async fn reopen(&mut self) {
        let again = with_rules(self.fixture.with_new_index());
        rns_storage::maintenance::rebuild_index(&again, &|_| {}).await.unwrap();
        self.fixture.storage = again;
    }

    async fn collect(&mut self) {
        let only_roots =
            Retention { min_age: Duration::ZERO, keep_roots: true, ..Retention::default() };
        // A path that was touched in this second is still young.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let storage = self.fixture.storage.clone();
        // A collection stays on its thread.
        let collection = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(collect(&storage, &only_roots, &|_| {})).unwrap();
        });
        collection.await.unwrap();
    }
}

#[tokio::test]
async fn the_roots_of_a_directory_conform() {
    check_roots(&mut RootedStorage::new(Place::Directory).await.unwrap()).await;
}

#[tokio::test]
async fn the_roots_of_a_bucket_conform() {
    if let Some(mut subject) = RootedStorage::new(Place::Bucket).await {
        check_roots(&mut subject).await;
    }
}
