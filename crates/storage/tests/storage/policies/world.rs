//! A storage of some paths, and everything that happens to it between collections.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use rns_cache::{BinaryCache as _, WritableCache as _};
use rns_formats::{RootName, Sha256Digest, StorePath};
use rns_storage::{
    collect::DocumentKind, index::Index, maintenance::find_documents, objects::ObjectKey,
};
use rns_testing::{Entry, FixtureStore, Tree};

use super::STEP;
use crate::{
    index::derivation,
    support::{Fixture, Place, first_revision, name_of},
};

/// The row of a document.
pub(super) struct StoredDocument {
    pub(super) key: String,
    pub(super) kind: i64,
    pub(super) owner: String,
    pub(super) touched: i64,
}

pub(super) struct World {
    pub(super) fixture: Fixture,
    pub(super) store: FixtureStore,
    pub(super) paths: Vec<StorePath>,
    pub(super) references: Vec<BTreeSet<usize>>,
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

impl World {
    pub(super) async fn new(references: Vec<BTreeSet<usize>>) -> Self {
        let fixture = Fixture::new(Place::Directory).await.unwrap();
        fixture.storage.index().check().await.unwrap();
        fixture.storage.reader().uses().note_every(Some(Duration::ZERO));
        let (mut store, mut paths) = (FixtureStore::new(), Vec::<StorePath>::new());
        for (number, needed) in references.iter().enumerate() {
            let needed: Vec<StorePath> = needed.iter().map(|other| paths[*other].clone()).collect();
            let contents = vec![u8::try_from(number).unwrap(); 1000 << number];
            let entry = Entry::new(format!("path-{number}"), Tree::file(contents));
            let made_by = format!("/nix/store/{}", derivation(number as u64));
            paths.push(store.insert(entry.references(&needed).deriver(made_by)));
        }
        Self { fixture, store, paths, references }
    }

    pub(super) fn index(&self) -> &dyn Index {
        &**self.fixture.storage.index()
    }

    pub(super) fn closure(&self, top: usize) -> BTreeSet<usize> {
        let (mut closure, mut next) = (BTreeSet::from([top]), vec![top]);
        while let Some(number) = next.pop() {
            next.extend(self.references[number].iter().filter(|other| closure.insert(**other)));
        }
        closure
    }

    pub(super) async fn push(&self, top: usize) {
        for number in self.closure(top) {
            let path = &self.paths[number];
            if !self.fixture.storage.promise_path(&path.hash_part()).await.unwrap() {
                let nar = self.store.nar(path);
                let narinfo = self.fixture.push(self.store.info(path), &nar).await;
                self.push_documents(number, &narinfo.url).await;
            }
        }
    }

    /// As another program writes them, and the index finds them.
    pub(super) async fn push_documents(&self, number: usize, url: &str) {
        let (path, made_by) = (&self.paths[number], derivation(number as u64));
        let listing =
            Bytes::from_static(b"{\"version\":1,\"root\":{\"type\":\"regular\",\"size\":1}}");
        self.fixture.storage.put_listing(path.hash_part(), listing).await.unwrap();
        self.fixture.write(&format!("log/{made_by}"), "built\n").await;
        let trace = format!("{{\"outPath\":\"{path}\",\"signatures\":[]}}");
        self.fixture.write(&format!("build-trace-v2/{made_by}/out.doi"), trace).await;
        let info = format!("{{\"archive\":\"../{url}\",\"member\":\"lib/debug/x.debug\"}}");
        self.fixture.write(&format!("debuginfo/{number:040}.debug"), info).await;
        find_documents(&self.fixture.storage).await.unwrap();
    }

    pub(super) async fn read(&self, number: usize) {
        let (storage, hash) = (&self.fixture.storage, self.paths[number].hash_part());
        storage.reader().forget(&hash);
        if storage.path_info(hash).await.unwrap().is_some() {
            let uses = storage.reader().uses();
            self.index().note_reads(&uses.take_paths()).await.unwrap();
            self.index().note_nar_reads(&uses.take_nars()).await.unwrap();
        }
    }

    pub(super) async fn root(&self, number: usize) {
        if !self.visible().await.contains(&number) {
            return;
        }
        let revision = first_revision(vec![self.paths[number].clone()]);
        self.index().import_root(&name(number), &[revision]).await.unwrap();
    }

    pub(super) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.fixture.index_file()).unwrap()
    }

    /// Everything is older than it was.
    pub(super) fn pass(&self, steps: i64) {
        let seconds = steps * STEP;
        let statement = format!(
            "update paths set touched = touched - {seconds}, published = published - {seconds} where state <> 0; \
             update paths set used = used - {seconds} where used > 0; \
             update nars set touched = touched - {seconds}; \
             update documents set touched = touched - {seconds};"
        );
        self.database().execute_batch(&statement).unwrap();
    }

    /// The paths that can be downloaded, each of which is right and has all that it refers to.
    pub(super) async fn visible(&self) -> BTreeSet<usize> {
        let (storage, mut visible) = (&self.fixture.storage, BTreeSet::new());
        for (number, path) in self.paths.iter().enumerate() {
            storage.reader().forget(&path.hash_part());
            let Some(found) = storage.reader().narinfo(path.hash_part()).await.unwrap() else {
                continue;
            };
            let key = ObjectKey::nar(&name_of(&found.narinfo));
            let file = storage.reader().objects().read_small(&key, 1 << 20).await.unwrap();
            let file = file.unwrap_or_else(|| panic!("{path} lacks its NAR"));
            let nar = zstd::decode_all(&file[..]).unwrap();
            assert_eq!(Sha256Digest::of(&nar), found.narinfo.nar_hash, "{path}");
            for other in &self.references[number] {
                assert!(visible.contains(other), "{number} lacks {other}");
            }
            visible.insert(number);
        }
        visible
    }

    pub(super) async fn documents(&self) -> BTreeSet<String> {
        let listed = self.fixture.objects().list(None);
        let listed: Vec<_> = listed.try_collect().await.unwrap();
        let documents = listed.into_iter().filter(|(key, _)| DocumentKind::of(key).is_some());
        documents.map(|(key, _)| key.to_string()).collect()
    }

    pub(super) fn document_rows(&self) -> Vec<StoredDocument> {
        let database = self.database();
        let mut rows = database.prepare("select key, kind, owner, touched from documents").unwrap();
        let rows = rows.query_map([], |row| {
            Ok(StoredDocument {
                key: row.get(0)?,
                kind: row.get(1)?,
                owner: row.get(2)?,
                touched: row.get(3)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

pub(super) fn name(number: usize) -> RootName {
    RootName::parse(&format!("root/{number}")).unwrap()
}
