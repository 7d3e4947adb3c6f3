//! A real storage under random policies: pushes, reads, roots, documents and the passing of time in any order, and after each
//! collection exactly that is there which the policy says. The model of a policy is that of `plan.rs`.
//!
//! `RNS_POLICY_CASES=500 cargo nextest run -p rns-storage policies` tries more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rns_cache::{BinaryCache as _, WritableCache as _};
use rns_formats::{HashPart, RootName, Sha256Digest, StorePath};
use rns_storage::{
    collect::{DocumentKind, collect},
    index::Index,
    maintenance::find_documents,
    objects::ObjectKey,
    retention::Retention,
};
use rns_testing::{Entry, FixtureStore, Tree};

use crate::{
    index::derivation,
    plan::{Case, NOW, Node},
    support::{Fixture, Place, first_revision, name_of},
};

/// Paths of a case. Each refers to some before it.
const PATHS: usize = 7;

/// The least time that a document stays, in seconds.
const DOCUMENT_GRACE: i64 = 24 * 3600;

/// An hour, and some seconds more: so no sum of such times is a whole number of hours, and a second more or less decides
/// nothing.
const STEP: i64 = 3600 + 1111;

#[derive(Clone, Debug)]
enum Event {
    /// A client pushes the closure of a path, with a log and its like.
    Push(usize),
    /// A client downloads a path.
    Read(usize),
    /// A root names a path alone, if it is there.
    Root(usize),
    /// That root goes.
    Release(usize),
    /// So many steps of time pass.
    Pass(i64),
    /// A collection, and a push of this closure at the same time.
    Collect(Policy, Option<usize>),
}

#[derive(Clone, Debug)]
struct Policy {
    min_age: u64,
    unused_for: Option<u64>,
    /// Parts of the present paths, in percent.
    max_size: Option<u64>,
    max_closures: Option<u64>,
    keep_roots: bool,
}

impl Policy {
    fn retention(&self, present: u64) -> Retention {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Retention {
            min_age: hours(self.min_age),
            unused_for: self.unused_for.map(hours),
            max_size: self.max_size.map(|percent| present * percent / 100),
            max_closures: self.max_closures,
            keep_roots: self.keep_roots,
            ..Retention::default()
        }
    }

    fn has_limits(&self) -> bool {
        self.max_size.is_some() || self.max_closures.is_some()
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    let parts = (
        1..6_u64,
        prop::option::of(1..40_u64),
        prop::option::of(0..120_u64),
        prop::option::weighted(0.2, 0..4_u64),
        any::<bool>(),
    );
    parts.prop_map(|(min_age, unused_for, max_size, max_closures, keep_roots)| Policy {
        min_age,
        unused_for,
        max_size,
        max_closures,
        keep_roots,
    })
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..PATHS).prop_map(Event::Push),
        2 => (0..PATHS).prop_map(Event::Read),
        2 => (0..PATHS).prop_map(Event::Root),
        1 => (0..PATHS).prop_map(Event::Release),
        3 => (1..30_i64).prop_map(Event::Pass),
        4 => (policies(), prop::option::weighted(0.3, 0..PATHS))
            .prop_map(|(policy, meanwhile)| Event::Collect(policy, meanwhile)),
    ];
    prop::collection::vec(event, 1..14)
}

fn references() -> impl Strategy<Value = Vec<BTreeSet<usize>>> {
    let sets = prop::collection::vec(prop::collection::btree_set(0..PATHS, 0..3), PATHS);
    sets.prop_map(|sets| {
        let sets = sets.into_iter().enumerate();
        sets.map(|(number, set)| set.into_iter().filter(|other| *other < number).collect())
            .collect()
    })
}

/// The row of a document.
struct StoredDocument {
    key: String,
    kind: i64,
    owner: String,
    touched: i64,
}

struct World {
    fixture: Fixture,
    store: FixtureStore,
    paths: Vec<StorePath>,
    references: Vec<BTreeSet<usize>>,
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

impl World {
    async fn new(references: Vec<BTreeSet<usize>>) -> Self {
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

    fn index(&self) -> &dyn Index {
        &**self.fixture.storage.index()
    }

    fn closure(&self, top: usize) -> BTreeSet<usize> {
        let (mut closure, mut next) = (BTreeSet::from([top]), vec![top]);
        while let Some(number) = next.pop() {
            next.extend(self.references[number].iter().filter(|other| closure.insert(**other)));
        }
        closure
    }

    async fn push(&self, top: usize) {
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
    async fn push_documents(&self, number: usize, url: &str) {
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

    async fn read(&self, number: usize) {
        let (storage, hash) = (&self.fixture.storage, self.paths[number].hash_part());
        storage.reader().forget(&hash);
        if storage.path_info(hash).await.unwrap().is_some() {
            let uses = storage.reader().uses();
            self.index().note_reads(&uses.take_paths()).await.unwrap();
            self.index().note_nar_reads(&uses.take_nars()).await.unwrap();
        }
    }

    async fn root(&self, number: usize) {
        if !self.visible().await.contains(&number) {
            return;
        }
        let revision = first_revision(vec![self.paths[number].clone()]);
        self.index().import_root(&name(number), &[revision]).await.unwrap();
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.fixture.index_file()).unwrap()
    }

    /// Everything is older than it was.
    fn pass(&self, steps: i64) {
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
    async fn visible(&self) -> BTreeSet<usize> {
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

    async fn documents(&self) -> BTreeSet<String> {
        let listed = self.fixture.objects().list(None);
        let listed: Vec<_> = listed.try_collect().await.unwrap();
        let documents = listed.into_iter().filter(|(key, _)| DocumentKind::of(key).is_some());
        documents.map(|(key, _)| key.to_string()).collect()
    }

    fn document_rows(&self) -> Vec<StoredDocument> {
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

    /// The index as a case of the model, the paths by their numbers there, and the keys of NARs.
    async fn case(&self, retention: Retention) -> (Case, Vec<HashPart>, Vec<String>) {
        let mut snapshot = self.index().snapshot().await.unwrap();
        let (nars, rows) = (snapshot.nars(0).await.unwrap(), snapshot.paths(0).await.unwrap());
        let (edges, rooted) =
            (snapshot.edges((0, 0)).await.unwrap(), snapshot.rooted((0, 0)).await.unwrap());
        let model = NOW - now();
        let place = |id: &i64| rows.iter().position(|row| row.id == *id).unwrap();
        let nodes = rows.iter().map(|row| Node {
            state: row.state,
            touched: row.touched.max(row.published) + model,
            used: row.used + model,
            nar: row.nar.map_or(0, |nar| nars.iter().position(|row| row.id == nar).unwrap()),
            is_rooted: rooted.iter().any(|(_, path)| *path == row.id),
            references: edges
                .iter()
                .filter(|(referrer, _)| *referrer == row.id)
                .map(|(_, reference)| place(reference))
                .collect(),
        });
        let case = Case {
            nodes: nodes.collect(),
            nars: nars.iter().map(|nar| (nar.file_size, nar.touched + model)).collect(),
            retention,
            missing: 0,
        };
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let names: BTreeMap<i64, StorePath> =
            self.index().paths(&ids).await.unwrap().into_iter().collect();
        let hashes = ids.iter().map(|id| names[id].hash_part()).collect();
        let database = self.database();
        let key = |id: i64| {
            database
                .query_row("select key from nars where id = ?1", [id], |row| row.get(0))
                .unwrap()
        };
        (case, hashes, nars.iter().map(|nar| key(nar.id)).collect())
    }

    fn numbers(&self, hashes: impl IntoIterator<Item = HashPart>) -> BTreeSet<usize> {
        let number =
            |hash: HashPart| self.paths.iter().position(|path| path.hash_part() == hash).unwrap();
        hashes.into_iter().map(number).collect()
    }

    /// The documents that stay, by the words of the policy.
    fn kept_documents(
        &self,
        (case, keys): (&Case, &[String]),
        kept: &BTreeSet<usize>,
        in_case: &BTreeSet<usize>,
    ) -> BTreeSet<String> {
        let grace = DOCUMENT_GRACE.max(i64::try_from(case.retention.min_age.as_secs()).unwrap());
        let held: BTreeSet<usize> = in_case.iter().map(|node| case.nodes[*node].nar).collect();
        let nar_stays = |key: &str| {
            let nar = keys.iter().position(|known| known == key);
            nar.is_some_and(|nar| held.contains(&nar) || case.nars[nar].1 > case.young())
        };
        let rows = self.document_rows().into_iter().filter(|row| {
            let is_owned = match row.kind {
                1 => kept.iter().any(|path| derivation(*path as u64).as_str() == row.owner),
                2 => kept.iter().any(|path| self.paths[*path].hash_part().to_string() == row.owner),
                _ => nar_stays(&row.owner),
            };
            is_owned || row.touched > now() - grace || case.retention.keeps_everything()
        });
        let listings = kept.iter().map(|path| format!("{}.ls", self.paths[*path].hash_part()));
        rows.map(|row| row.key).chain(listings).collect()
    }

    async fn collect(&self, policy: &Policy, meanwhile: Option<usize>) {
        let meanwhile = meanwhile.filter(|_| !policy.has_limits());
        let (case, ..) = self.case(policy.retention(0)).await;
        let present: u64 = case.nars.iter().map(|(size, _)| size).sum();
        let retention = policy.retention(present);
        let (case, hashes, keys) = self.case(retention.clone()).await;
        let in_case = case.kept();
        let kept = self.numbers(in_case.iter().map(|node| hashes[*node]));
        let documents = self.kept_documents((&case, &keys), &kept, &in_case);
        let collecting =
            async { collect(&self.fixture.storage, &retention, &|_| ()).await.unwrap() };
        let pushing = async {
            if let Some(top) = meanwhile {
                self.push(top).await;
            }
        };
        tokio::join!(collecting, pushing);
        let visible = self.visible().await;
        let Some(top) = meanwhile else {
            assert_eq!(visible, kept, "{retention:?}: {case:?}");
            assert_eq!(self.documents().await, documents, "{retention:?}: {case:?}");
            return;
        };
        // Paths that were pushed meanwhile are there as well, and may have kept others that were about to go.
        let needed: BTreeSet<usize> = kept.union(&self.closure(top)).copied().collect();
        assert_eq!(visible, needed, "{retention:?}: {case:?}");
        assert!(documents.is_subset(&self.documents().await), "{retention:?}: {case:?}");
    }
}

fn name(number: usize) -> RootName {
    RootName::parse(&format!("root/{number}")).unwrap()
}

async fn happens(references: Vec<BTreeSet<usize>>, events: &[Event]) {
    let world = World::new(references).await;
    for event in events {
        match event {
            Event::Push(top) => world.push(*top).await,
            Event::Read(number) => world.read(*number).await,
            Event::Root(number) => world.root(*number).await,
            Event::Release(number) => {
                world.index().retain_revisions(&name(*number), &[]).await.unwrap();
            }
            Event::Pass(steps) => world.pass(*steps),
            Event::Collect(policy, meanwhile) => world.collect(policy, *meanwhile).await,
        }
        // Roots that were set are whole after every collection.
        world.visible().await;
    }
}

#[test]
fn exactly_that_is_there_which_the_policy_says() {
    let cases = std::env::var("RNS_POLICY_CASES").map_or(24, |text| text.parse().unwrap());
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let run = runner.run(&(references(), events()), |(references, events)| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(happens(references, &events));
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
}
