//! Collection of a real storage: random pushes, reads and roots, and the paths that are there afterwards.

use std::{
    collections::BTreeSet,
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rns_cache::{BinaryCache as _, NarAnswer, WritableCache as _};
use rns_formats::{Compression, NarInfo, RootName, StoreDir, StorePath};
use rns_storage::{
    collect::{CollectError, collect, preview},
    index::{PathState, RowKind, Unused, postgres::PostgresIndex},
    objects::Objects,
    read::StorageReader,
    retention::Retention,
    write::{Nowhere, Storage, UploadLimits},
};
use rns_testing::{Entry, FixtureStore, PostgresServer, Tree};

use crate::support::{Fixture, Place, first_revision, name_of, packed};

/// Paths that no root needs go at once.
fn roots_only() -> Retention {
    Retention { min_age: Duration::ZERO, keep_roots: true, ..Retention::default() }
}

/// Times are kept in whole seconds: a path that was pushed in this one is not older than nothing yet.
async fn next_second() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

async fn root(fixture: &Fixture, name: &str, paths: &[&StorePath]) {
    let revision = first_revision(paths.iter().map(|path| (*path).clone()).collect());
    let name = RootName::parse(name).unwrap();
    fixture.storage.index().import_root(&name, &[revision]).await.unwrap();
}

/// A store of paths, each of which refers to some before it.
struct Paths {
    store: FixtureStore,
    paths: Vec<StorePath>,
}

impl Paths {
    fn new(references: &[&[usize]]) -> Self {
        let (mut store, mut paths) = (FixtureStore::new(), Vec::<StorePath>::new());
        for (number, needed) in references.iter().enumerate() {
            let needed: Vec<StorePath> =
                needed.iter().map(|needed: &usize| paths[*needed].clone()).collect();
            let tree = Tree::file(format!("contents of {number}").repeat(50).as_bytes());
            let entry = Entry::new(format!("path-{number}"), tree).references(&needed);
            paths.push(store.insert(entry));
        }
        Self { store, paths }
    }

    async fn push(&self, fixture: &Fixture, number: usize) -> NarInfo {
        let path = &self.paths[number];
        fixture.push(self.store.info(path), &self.store.nar(path)).await
    }

    /// The paths that can be downloaded and are right; nothing visible lacks its NAR or a reference.
    async fn visible(&self, fixture: &Fixture) -> BTreeSet<usize> {
        let mut visible = BTreeSet::new();
        for (number, path) in self.paths.iter().enumerate() {
            fixture.storage.reader().forget(&path.hash_part());
            let found = fixture.storage.reader().narinfo(path.hash_part()).await.unwrap();
            let Some(found) = found else { continue };
            let nar = fixture.storage.nar(&name_of(&found.narinfo)).await.unwrap();
            let Some(NarAnswer::Finished(_)) = nar else { panic!("{path} lacks its NAR") };
            visible.insert(number);
            for reference in &found.narinfo.references {
                let other = self.paths.iter().position(|path| path == reference).unwrap();
                assert!(other == number || visible.contains(&other), "{path} lacks {reference}");
            }
        }
        visible
    }
}

fn files(fixture: &Fixture) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["", "nar"] {
        let Ok(entries) = fs::read_dir(fixture.directory.join(folder)) else { continue };
        names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    }
    names
}

#[tokio::test]
async fn what_no_root_needs_goes_whole_and_comes_back_whole() {
    for place in [Place::Directory, Place::Bucket] {
        let Some(fixture) = Fixture::new(place).await else { continue };
        // 0 ← 1 ← 2, 0 ← 3.
        let paths = Paths::new(&[&[], &[0], &[1, 0], &[0]]);
        for number in 0..4 {
            paths.push(&fixture, number).await;
        }
        root(&fixture, "project/main", &[&paths.paths[3]]).await;
        let young = Retention { min_age: Duration::from_secs(3600), ..roots_only() };
        let kept = collect(&fixture.storage, &young, &|_| ()).await.unwrap();
        assert_eq!(kept.swept.paths, 0, "all of it is young");
        next_second().await;
        let planned = preview(&fixture.storage, &roots_only()).await.unwrap();
        assert_eq!(planned.plan.going.len(), 2);
        assert_eq!(paths.visible(&fixture).await.len(), 4, "a preview changes nothing");
        let listing = fixture.storage.put_listing(
            paths.paths[2].hash_part(),
            Bytes::from_static(b"{\"version\":1,\"root\":{\"type\":\"directory\",\"entries\":{}}}"),
        );
        listing.await.unwrap();
        let done = collect(&fixture.storage, &roots_only(), &|_| ()).await.unwrap();
        assert_eq!((done.swept.paths, done.swept.nars, done.swept.left), (2, 2, 0));
        assert!(done.swept.bytes > 0);
        assert_eq!(paths.visible(&fixture).await, BTreeSet::from([0, 3]));
        if matches!(place, Place::Directory) {
            let files = files(&fixture);
            let gone = paths.paths[2].hash_part().to_string();
            assert!(!files.iter().any(|name| name.starts_with(&gone)), "{files:?}");
            assert_eq!(files.iter().filter(|name| name.contains(".nar.")).count(), 2, "{files:?}");
        }
        let last = fixture.storage.index().last_collection().await.unwrap().unwrap();
        assert_eq!((last.paths, last.bytes), (2, done.swept.bytes));
        // All of it can be pushed again.
        for number in [1, 2] {
            paths.push(&fixture, number).await;
        }
        assert_eq!(paths.visible(&fixture).await.len(), 4);
    }
}

#[tokio::test]
async fn a_collection_that_was_cut_off_is_taken_up_by_the_next_one() {
    let fixture = Fixture::new(Place::Directory).await.unwrap();
    let paths = Paths::new(&[&[], &[0]]);
    for number in 0..2 {
        paths.push(&fixture, number).await;
    }
    let index = fixture.storage.index();
    let rows = index.snapshot().await.unwrap().paths(0).await.unwrap();
    let later = SystemTime::now() + Duration::from_secs(3600);
    let unused = Unused { untouched_since: later, unread_since: later };
    // Another collector condemned both, and died.
    assert_eq!(index.condemn(RowKind::Paths, &[rows[1].id], unused).await.unwrap().len(), 1);
    assert_eq!(index.condemn(RowKind::Paths, &[rows[0].id], unused).await.unwrap().len(), 1);
    // A NAR was stored, and its pusher died before it was noted.
    let stray = paths.store.nar(&paths.paths[0]);
    let (narinfo, file) = packed(paths.store.info(&paths.paths[0]), &stray, Compression::None);
    fixture.upload(&name_of(&narinfo), &file).await.unwrap();
    let held = index.lock_collection().await.unwrap();
    let refused = collect(&fixture.storage, &roots_only(), &|_| ()).await.unwrap_err();
    assert!(matches!(refused, CollectError::Busy), "{refused}");
    drop(held);
    next_second().await;
    let done = collect(&fixture.storage, &roots_only(), &|_| ()).await.unwrap();
    assert_eq!((done.swept.paths, done.swept.nars), (2, 3));
    assert!(paths.visible(&fixture).await.is_empty());
    // With a policy that keeps everything, a condemned path is published again.
    for number in 0..2 {
        paths.push(&fixture, number).await;
    }
    let rows = index.snapshot().await.unwrap().paths(0).await.unwrap();
    index.condemn(RowKind::Paths, &[rows[1].id], unused).await.unwrap();
    collect(&fixture.storage, &Retention::default(), &|_| ()).await.unwrap();
    let state = index.states(&[paths.paths[1].hash_part()]).await.unwrap();
    assert_eq!(state, [Some(PathState::Published)]);
}

#[tokio::test]
async fn a_storage_stays_below_its_limit_and_loses_what_was_not_used_for_longest() {
    let fixture = Fixture::new(Place::Directory).await.unwrap();
    let paths = Paths::new(&[&[], &[0], &[], &[2], &[]]);
    for number in 0..5 {
        paths.push(&fixture, number).await;
        // So that their order is known.
        next_second().await;
    }
    // The first closure is read: the second one was not used for longest.
    fixture.storage.index().note_reads(&[paths.paths[1].hash_part()]).await.unwrap();
    next_second().await;
    let all = preview(&fixture.storage, &Retention::default()).await.unwrap();
    let bytes = all.plan.present_bytes();
    let limit =
        Retention { min_age: Duration::ZERO, max_size: Some(bytes - 1), ..Retention::default() };
    let done = collect(&fixture.storage, &limit, &|_| ()).await.unwrap();
    assert_eq!(done.swept.paths, 2);
    assert_eq!(paths.visible(&fixture).await, BTreeSet::from([0, 1, 4]));
    let again = collect(&fixture.storage, &limit, &|_| ()).await.unwrap();
    assert_eq!(again.swept.paths, 0, "it fits");
}

/// Numbers that look random, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_pushed_and_rooted_meanwhile_is_there_and_whole() {
    let fixture = Fixture::new(Place::Directory).await.unwrap();
    let paths = Paths::new(&[&[], &[0], &[0], &[1, 2], &[2], &[], &[5, 3], &[4], &[6, 7]]);
    let policy = roots_only();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..6 {
        // A pusher pushes the closure of one path, as clients do: it skips paths that it is told of.
        let top = random.below(paths.paths.len());
        let pushing = async {
            for number in closure(&paths, top) {
                let hash = paths.paths[number].hash_part();
                if !fixture.storage.promise_path(&hash).await.unwrap() {
                    paths.push(&fixture, number).await;
                }
            }
            root(&fixture, &format!("round/{round}"), &[&paths.paths[top]]).await;
        };
        // With no grace at all a push may lose its first paths, so it is told again until its root is set.
        let collecting = async {
            let grace = Retention { min_age: Duration::from_secs(2), ..policy.clone() };
            for _ in 0..3 {
                collect(&fixture.storage, &grace, &|_| ()).await.unwrap();
            }
        };
        tokio::join!(pushing, collecting);
        let visible = paths.visible(&fixture).await;
        for number in closure(&paths, top) {
            assert!(visible.contains(&number), "{number} is rooted");
        }
        if random.below(2) == 0 {
            let name = RootName::parse(&format!("round/{}", random.below(round + 1))).unwrap();
            fixture.storage.index().retain_revisions(&name, &[]).await.unwrap();
        }
        next_second().await;
        collect(&fixture.storage, &policy, &|_| ()).await.unwrap();
        let roots = fixture.storage.index().roots(None, 100, 100).await.unwrap();
        let mut expected = BTreeSet::new();
        for named in roots.iter().flat_map(|root| &root.newest.paths) {
            let number = paths.paths.iter().position(|path| path == named).unwrap();
            expected.extend(closure(&paths, number));
        }
        assert_eq!(paths.visible(&fixture).await, expected, "exactly what roots need");
    }
}

/// A path and its closure, references first.
fn closure(paths: &Paths, top: usize) -> Vec<usize> {
    let mut numbers = BTreeSet::from([top]);
    let mut next = vec![top];
    while let Some(number) = next.pop() {
        for reference in &paths.store.info(&paths.paths[number]).references {
            let other = paths.paths.iter().position(|path| path == reference).unwrap();
            if numbers.insert(other) {
                next.push(other);
            }
        }
    }
    numbers.into_iter().collect()
}

#[tokio::test]
async fn nothing_goes_by_a_clock_that_is_not_that_of_the_database() {
    let Some(server) = PostgresServer::start() else { return };
    let (client, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // The clock of the database is two hours ahead.
    let ahead = "create function public.clock_timestamp() returns timestamptz language sql volatile as \
          $$ select pg_catalog.clock_timestamp() + interval '2 hours' $$; \
        alter database postgres set search_path = public, pg_catalog";
    client.batch_execute(ahead).await.unwrap();
    let index = PostgresIndex::new(&server.url()).unwrap();
    let reader = StorageReader::new(Objects::in_memory(), StoreDir::default(), 1 << 20);
    let storage = Storage::new(reader, Arc::new(index), Arc::new(Nowhere), UploadLimits::default());
    let policy =
        |hours: u64| Retention { min_age: Duration::from_secs(hours * 3600), ..roots_only() };
    let refused = collect(&storage, &policy(1), &|_| ()).await.unwrap_err();
    let CollectError::Clock { difference, .. } = refused else { panic!("{refused}") };
    assert!(difference.abs_diff(Duration::from_secs(7200)) <= Duration::from_secs(1));
    // Where everything is kept, nothing is asked.
    for policy in [policy(24), Retention::default()] {
        // A lock in a database is given back by a task.
        while let Err(error) = collect(&storage, &policy, &|_| ()).await {
            assert!(matches!(error, CollectError::Busy), "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
