//! The conformance suite of all backends, over a directory and a bucket.

use std::{fs, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{
    BinaryCache,
    conformance::{Specimen, Subject, check},
};
use rns_formats::{Compression, StorePath};
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

    /// Writes the files of a path, as `nix copy --to file://…` does.
    fn write(&self, path: &StorePath, compression: Compression) {
        let (narinfo, file) = packed(self.store.info(path), &self.store.nar(path), compression);
        let place: PathBuf = self.fixture.directory.join(&narinfo.url);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, file).unwrap();
        let text = narinfo.write(self.store.store_dir());
        fs::write(self.fixture.directory.join(format!("{}.narinfo", path.hash_part())), text)
            .unwrap();
    }
}

#[async_trait]
impl Subject for StorageSubject {
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
        self.write(&path, Compression::Zstd);
        self.specimen(&path)
    }

    async fn remove(&mut self, path: &StorePath) {
        fs::remove_file(self.fixture.directory.join(format!("{}.narinfo", path.hash_part())))
            .unwrap();
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
        // What a disk that is not mounted looks like.
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

async fn conforms(place: Place) {
    let Some(fixture) = Fixture::new(place).await else { return };
    let Standard { store, tree, dep, top, itself, blob, .. } = Standard::new();
    let paths = vec![tree, dep, top, itself, blob];
    let mut subject = StorageSubject { fixture, store, paths, added: 0 };
    for (number, path) in subject.paths.iter().enumerate() {
        let compression = if number % 2 == 0 { Compression::None } else { Compression::Zstd };
        subject.write(path, compression);
    }
    check(&mut subject).await;
}

#[tokio::test]
async fn a_directory_conforms() {
    conforms(Place::Directory).await;
}

#[tokio::test]
async fn a_bucket_conforms() {
    conforms(Place::Bucket).await;
}
