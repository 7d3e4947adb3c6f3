//! Objects that the index does not know, and their fate in a collection.

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use rns_cache::{BinaryCache as _, NewRoot, RootLifetime, RootPath, RootedCache as _};
use rns_formats::{Compression, NarInfo, RootName, StorePath};
use rns_storage::{
    collect::collect, index::PathState, maintenance::rebuild_index, objects::ObjectKey,
    retention::Retention, write::Storage,
};
use rns_testing::Standard;

use crate::support::{Fixture, Place, name_of, packed, pusher};

/// With a rule that lets something go, unknown objects are looked for; nothing that is known may go by it.
fn looking() -> Retention {
    let long = Duration::from_secs(365 * 24 * 3600);
    Retention { min_age: Duration::from_secs(3600), unused_for: Some(long), ..Retention::default() }
}

/// Makes an object look as if it had been written two days ago.
fn age(fixture: &Fixture, key: &str) {
    let file = File::options().write(true).open(fixture.directory.join(key)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(48 * 3600)).unwrap();
}

/// Writes the NAR of a path past the storage, two days ago.
async fn write_nar(fixture: &Fixture, standard: &Standard) -> NarInfo {
    let nar = standard.store.nar(&standard.blob);
    let (narinfo, file) = packed(standard.store.info(&standard.blob), &nar, Compression::Zstd);
    fixture.write(&narinfo.url, file).await;
    age(fixture, &narinfo.url);
    narinfo
}

async fn is_there(fixture: &Fixture, key: &str) -> bool {
    fixture.objects().head(&ObjectKey::listed(key)).await.unwrap().is_some()
}

#[tokio::test]
async fn old_nars_and_listings_without_a_path_go_and_young_ones_stay() {
    for place in [Place::Directory, Place::Bucket] {
        let Some(fixture) = Fixture::new(place).await else { continue };
        let standard = Standard::new();
        let narinfo = write_nar(&fixture, &standard).await;
        let (old, young) = (format!("{}.ls", "0".repeat(32)), format!("{}.ls", "1".repeat(32)));
        let new = format!("nar/{}.nar.zst", "0".repeat(52));
        for key in [&old, &young, &new] {
            fixture.write(key, "x").await;
        }
        age(&fixture, &old);
        collect(&fixture.storage, &Retention::default(), &|_| ()).await.unwrap();
        assert!(is_there(&fixture, &narinfo.url).await, "nothing may go");
        let done = collect(&fixture.storage, &looking(), &|_| ()).await.unwrap();
        assert_eq!((done.swept.nars, done.swept.documents.total()), (1, 1));
        assert_eq!(done.swept.unknown_nars, 1);
        for (key, expected) in [(&narinfo.url, false), (&old, false), (&young, true), (&new, true)]
        {
            assert_eq!(is_there(&fixture, key).await, expected, "{key}");
        }
        // It can be pushed.
        fixture
            .push(standard.store.info(&standard.blob), &standard.store.nar(&standard.blob))
            .await;
        assert!(is_there(&fixture, &narinfo.url).await);
    }
}

#[tokio::test]
async fn an_unknown_narinfo_is_entered_with_its_nar() {
    let fixture = Fixture::new(Place::Directory).await.unwrap();
    let standard = Standard::new();
    let narinfo = write_nar(&fixture, &standard).await;
    let hash = narinfo.store_path.hash_part();
    let text = narinfo.write(fixture.storage.reader().shared_store_dir());
    fixture.write(&format!("{hash}.narinfo"), text).await;
    age(&fixture, &format!("{hash}.narinfo"));
    let done = collect(&fixture.storage, &looking(), &|_| ()).await.unwrap();
    assert_eq!((done.swept.paths, done.swept.nars), (0, 0));
    let states = fixture.storage.index().states(&[hash]).await.unwrap();
    assert_eq!(states, [Some(PathState::Published)]);
    assert!(fixture.storage.nar(&name_of(&narinfo)).await.unwrap().is_some());
}

#[tokio::test]
async fn while_a_narinfo_cannot_be_read_nars_without_a_path_stay() {
    let fixture = Fixture::new(Place::Directory).await.unwrap();
    let narinfo = write_nar(&fixture, &Standard::new()).await;
    let damaged = format!("{}.narinfo", "0".repeat(32));
    fixture.write(&damaged, "StorePath: damaged\n").await;
    let done = collect(&fixture.storage, &looking(), &|_| ()).await.unwrap();
    assert_eq!(done.swept.nars, 0);
    assert!(is_there(&fixture, &narinfo.url).await, "it may be the NAR of that path");
    fixture.remove(&damaged).await;
    let done = collect(&fixture.storage, &looking(), &|_| ()).await.unwrap();
    assert_eq!(done.swept.nars, 1);
    assert!(!is_there(&fixture, &narinfo.url).await);
}

/// A storage with an index from a backup: the index has the paths from before `newer`, and all of them are old.
async fn restored(fixture: &Fixture, newer: impl AsyncFnOnce()) -> Storage {
    let yesterday = fixture.with_new_index();
    rebuild_index(&yesterday, &|_| ()).await.unwrap();
    newer().await;
    let index = rusqlite::Connection::open(fixture.index_file().with_file_name("another.sqlite"));
    index
        .unwrap()
        .execute_batch("update paths set touched = 1, published = 1; update nars set touched = 1")
        .unwrap();
    yesterday
}

/// Paths that no root needs go when they are not young.
fn rooted_or_young() -> Retention {
    Retention { min_age: Duration::from_secs(3600), keep_roots: true, ..Retention::default() }
}

async fn put_root(fixture: &Fixture, path: &StorePath) {
    let root = NewRoot {
        name: RootName::parse("main").unwrap(),
        paths: vec![RootPath::Path(path.clone())],
        lifetime: RootLifetime::default(),
        label: None,
    };
    fixture.storage.put_root(&root, &pusher()).await.unwrap();
}

#[tokio::test]
async fn an_index_of_yesterday_lets_nothing_go_that_newer_paths_need() {
    let (fixture, standard) = (Fixture::new(Place::Directory).await.unwrap(), Standard::new());
    let push = async |path| {
        fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
    };
    push(&standard.dep).await;
    push(&standard.blob).await;
    let restored = restored(&fixture, async || push(&standard.top).await).await;
    let done = collect(&restored, &rooted_or_young(), &|_| ()).await.unwrap();
    assert_eq!(done.swept.paths, 1, "only blob");
    for path in [&standard.top, &standard.dep] {
        assert!(is_there(&fixture, &format!("{}.narinfo", path.hash_part())).await, "{path}");
    }
}

#[tokio::test]
async fn an_index_of_yesterday_lets_nothing_go_that_a_newer_root_needs() {
    let (fixture, standard) = (Fixture::new(Place::Directory).await.unwrap(), Standard::new());
    for path in [&standard.dep, &standard.blob] {
        fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
    }
    put_root(&fixture, &standard.blob).await;
    let restored = restored(&fixture, async || put_root(&fixture, &standard.dep).await).await;
    collect(&restored, &rooted_or_young(), &|_| ()).await.unwrap();
    assert!(is_there(&fixture, &format!("{}.narinfo", standard.dep.hash_part())).await);
}
