//! Roots of a storage: set, replaced, expired, lost and found.

use std::{
    fs,
    num::NonZeroU32,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rns_cache::{
    BinaryCache as _, MissingPath, NewRoot, RootError, RootLifetime, RootPath, RootPattern,
    RootRevision, RootRule, RootedCache as _,
};
use rns_formats::{RootLabel, RootName, StorePath};
use rns_storage::{
    collect::collect,
    maintenance::{FaultKind, VerifyOptions, rebuild_index, verify},
    retention::Retention,
    write::Storage,
};
use rns_testing::Standard;

use crate::support::{Fixture, Place, pusher};

const QUIET: &(dyn Fn(u64) + Send + Sync) = &|_| {};

fn name(text: &str) -> RootName {
    RootName::parse(text).unwrap()
}

fn lifetime(days: u32, revisions: u32) -> RootLifetime {
    RootLifetime { days: NonZeroU32::new(days), revisions: NonZeroU32::new(revisions) }
}

fn root(root: &str, path: &StorePath, lifetime: RootLifetime) -> NewRoot {
    NewRoot {
        name: name(root),
        paths: vec![RootPath::Path(path.clone())],
        lifetime,
        label: RootLabel::parse("a build").ok(),
    }
}

async fn put(storage: &Storage, root: &NewRoot) -> RootRevision {
    storage.put_root(root, &pusher()).await.unwrap().revision
}

async fn numbers(storage: &Storage, root: &str) -> Vec<u64> {
    storage.root(&name(root)).await.unwrap().iter().map(|one| one.revision).collect()
}

async fn filled(place: Place) -> Option<(Fixture, Standard)> {
    let (fixture, standard) = (Fixture::new(place).await?, Standard::new());
    for path in [&standard.dep, &standard.top, &standard.itself, &standard.blob] {
        fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
    }
    Some((fixture, standard))
}

async fn a_root_is_kept_in_the_storage(place: Place) {
    let Some((fixture, standard)) = filled(place).await else { return };
    let storage = &fixture.storage;
    let first = put(storage, &root("pr/1", &standard.top, lifetime(7, 2))).await;
    assert_eq!((first.revision, &first.paths), (1, &vec![standard.top.clone()]));
    let second = put(storage, &root("pr/1", &standard.blob, lifetime(0, 2))).await;
    assert_eq!((second.revision, second.expires), (2, None));
    assert_eq!(storage.root(&name("pr/1")).await.unwrap(), [second.clone(), first]);
    let hash = RootPath::Hash(standard.dep.hash_part());
    let by_hash = NewRoot { paths: vec![hash], ..root("pr", &standard.dep, lifetime(0, 0)) };
    assert_eq!(put(storage, &by_hash).await.paths, std::slice::from_ref(&standard.dep));

    // Another index learns of them from the objects.
    let again = fixture.with_new_index();
    let done = rebuild_index(&again, QUIET).await.unwrap();
    assert_eq!((done.paths, done.roots, done.unusable), (4, 2, 0));
    assert_eq!(numbers(&again, "pr/1").await, [2, 1]);
    let third = put(&again, &root("pr/1", &standard.itself, lifetime(0, 2))).await;
    assert_eq!(third.revision, 3);
    assert_eq!(numbers(&again, "pr/1").await, [3, 2]);

    assert!(again.delete_root(&name("pr/1")).await.unwrap());
    assert!(!again.delete_root(&name("pr/1")).await.unwrap());
    assert!(numbers(&again, "pr/1").await.is_empty());
    let once_more = fixture.with_new_index();
    rebuild_index(&once_more, QUIET).await.unwrap();
    assert_eq!(once_more.roots(None, 10).await.unwrap().len(), 1, "what was deleted stays so");
}

#[tokio::test]
async fn a_root_is_kept_in_a_directory() {
    a_root_is_kept_in_the_storage(Place::Directory).await;
}

#[tokio::test]
async fn a_root_is_kept_in_a_bucket() {
    a_root_is_kept_in_the_storage(Place::Bucket).await;
}

#[tokio::test]
async fn a_root_that_misses_something_is_refused_and_leaves_nothing() {
    let (fixture, standard) = filled(Place::Directory).await.unwrap();
    let storage = &fixture.storage;
    let nowhere = StorePath::parse("00000000000000000000000000000000-nowhere").unwrap();
    let renamed = StorePath::parse(&format!("{}-renamed", standard.blob.hash_part())).unwrap();
    for path in [&nowhere, &renamed] {
        match storage.put_root(&root("a", path, lifetime(0, 0)), &pusher()).await {
            Err(RootError::MissingPaths { paths, count: 1 }) => {
                assert_eq!(paths[0].hash, path.hash_part());
            }
            other => panic!("{other:?}"),
        }
    }
    // Its narinfo is there, and something that it refers to is not.
    fs::remove_file(fixture.directory.join(format!("{}.narinfo", standard.dep.hash_part())))
        .unwrap();
    let again = fixture.with_new_index();
    let refused = again.put_root(&root("a", &standard.top, lifetime(0, 0)), &pusher()).await;
    let expected = MissingPath { hash: standard.dep.hash_part(), path: Some(standard.dep.clone()) };
    match refused {
        Err(RootError::MissingPaths { paths, count: 1 }) => assert_eq!(paths, [expected]),
        other => panic!("{other:?}"),
    }
    assert!(!fixture.directory.join("gcroots").exists());
    let empty = NewRoot { paths: Vec::new(), ..root("a", &standard.blob, lifetime(0, 0)) };
    assert!(matches!(again.put_root(&empty, &pusher()).await, Err(RootError::Empty)));
}

#[tokio::test]
async fn what_lies_in_the_storage_is_found_without_an_index() {
    let (fixture, standard) = filled(Place::Directory).await.unwrap();
    let again = fixture.with_new_index();
    put(&again, &root("a", &standard.top, lifetime(0, 0))).await;
    let sizes = again.root_sizes().await.unwrap().unwrap();
    assert!(sizes.sizes[&name("a")].freed_paths >= 2, "{sizes:?}");
    assert!(sizes.as_of <= SystemTime::now());
}

#[tokio::test]
async fn the_same_paths_again_are_the_same_revision() {
    let (fixture, standard) = filled(Place::Directory).await.unwrap();
    let storage = &fixture.storage;
    put(storage, &root("a", &standard.dep, lifetime(0, 5))).await;
    for days in [1, 7] {
        let again = put(storage, &root("a", &standard.top, lifetime(days, 5))).await;
        assert_eq!(again.revision, 2);
        assert_eq!(again.expires, lifetime(days, 5).expires(again.created));
    }
    assert_eq!(numbers(storage, "a").await, [2, 1]);
    let other = NewRoot { label: None, ..root("a", &standard.top, lifetime(0, 5)) };
    assert_eq!(put(storage, &other).await.revision, 3);
}

#[tokio::test]
async fn rules_of_the_configuration_shorten_a_life() {
    let (fixture, standard) = filled(Place::Directory).await.unwrap();
    let rule =
        RootRule { roots: vec![RootPattern::parse("pr/*").unwrap()], lifetime: lifetime(7, 1) };
    let retention = Retention { rules: vec![rule], ..Retention::default() };
    let storage = fixture.storage.clone().with_retention(retention);
    for path in [&standard.dep, &standard.top] {
        let set = put(&storage, &root("pr/1", path, lifetime(90, 5))).await;
        assert_eq!(set.expires, lifetime(7, 1).expires(set.created));
        put(&storage, &root("main", path, lifetime(0, 5))).await;
    }
    assert_eq!(numbers(&storage, "pr/1").await, [2]);
    assert_eq!(numbers(&storage, "main").await, [2, 1]);
}

fn kinds(found: &rns_storage::maintenance::Verified) -> Vec<&FaultKind> {
    found.faults.iter().map(|fault| &fault.kind).collect()
}

#[tokio::test]
async fn roots_that_were_cut_off_are_found_and_mended() {
    let (fixture, standard) = filled(Place::Directory).await.unwrap();
    let storage = &fixture.storage;
    for root_name in ["a", "b/c"] {
        put(storage, &root(root_name, &standard.top, lifetime(0, 0))).await;
    }
    let options = |repair| VerifyOptions { contents: false, repair };
    assert!(kinds(&verify(storage, options(false), QUIET).await.unwrap()).is_empty());
    // As after a crash between object and row, and after the loss of an object.
    let object = fixture.directory.join("gcroots/a.json");
    fs::rename(&object, fixture.directory.join("gcroots/d.json")).unwrap();
    fs::write(fixture.directory.join("gcroots/e.json"), "{").unwrap();
    let found = verify(storage, options(false), QUIET).await.unwrap();
    assert!(
        matches!(
            kinds(&found)[..],
            [FaultKind::RootOnlyIndexed, FaultKind::RootNotIndexed, FaultKind::UnusableRoot(_)]
        ),
        "{found:?}"
    );
    let mended = verify(storage, options(true), QUIET).await.unwrap();
    assert_eq!((mended.faults.len(), mended.unmended), (3, 1));
    assert!(object.exists());
    assert_eq!(numbers(storage, "d").await, [1]);
    fs::remove_file(fixture.directory.join("gcroots/e.json")).unwrap();
    assert!(kinds(&verify(storage, options(false), QUIET).await.unwrap()).is_empty());

    fs::remove_file(fixture.directory.join(format!("{}.narinfo", standard.dep.hash_part())))
        .unwrap();
    let mended = verify(storage, options(true), QUIET).await.unwrap();
    let missed = FaultKind::RootMissesPath(standard.top.to_string());
    assert!(kinds(&mended).contains(&&missed), "{mended:?}");
}

#[tokio::test]
async fn what_has_expired_goes_from_index_and_storage() {
    let (fixture, standard) = filled(Place::Directory).await.unwrap();
    let storage = &fixture.storage;
    put(storage, &root("a", &standard.top, lifetime(1, 2))).await;
    put(storage, &root("a", &standard.dep, lifetime(0, 2))).await;
    put(storage, &root("b", &standard.dep, lifetime(1, 0))).await;
    assert_eq!(storage.expire_roots().await.unwrap(), 0);
    let age = |root: &str| {
        let file = fixture.directory.join(format!("gcroots/{root}.json"));
        let text = fs::read_to_string(&file).unwrap();
        let mut object: serde_json::Value = serde_json::from_str(&text).unwrap();
        for revision in object["revisions"].as_array_mut().unwrap() {
            if revision.get("expires").is_some() {
                revision["expires"] = 1_700_000_000.into();
            }
        }
        fs::write(&file, object.to_string()).unwrap();
    };
    for root in ["a", "b"] {
        age(root);
    }
    // The same in the index, which nothing has told of it yet.
    for root in ["a", "b"] {
        let rows = storage.root(&name(root)).await.unwrap();
        let expired = RootRevision {
            expires: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
            ..rows.last().unwrap().clone()
        };
        storage.index().import_root(&name(root), &[expired]).await.unwrap();
    }
    collect(storage, &Retention::default(), &|_| {}).await.unwrap();
    assert!(storage.index().expired_roots(10).await.unwrap().is_empty());
    assert_eq!(numbers(storage, "a").await, [2]);
    assert!(!fixture.directory.join("gcroots/b.json").exists());
    let again = fixture.with_new_index();
    rebuild_index(&again, QUIET).await.unwrap();
    assert_eq!(numbers(&again, "a").await, [2]);
    assert!(numbers(&again, "b").await.is_empty());
    assert_eq!(put(&again, &root("b", &standard.dep, lifetime(1, 0))).await.revision, 1);
}

/// As after a crash between the object of a root that is set again and its row.
async fn row_ends(storage: &Storage, root: &str, expires: SystemTime) -> Vec<RootRevision> {
    let set = storage.root(&name(root)).await.unwrap();
    let earlier = RootRevision { expires: Some(expires), ..set[0].clone() };
    storage.index().import_root(&name(root), &[earlier]).await.unwrap();
    set
}

#[tokio::test]
async fn a_root_that_was_set_again_lives_as_long_as_its_object_says() {
    let (fixture, standard) = filled(Place::Directory).await.unwrap();
    let storage = &fixture.storage;
    put(storage, &root("a", &standard.top, lifetime(7, 0))).await;
    put(storage, &root("b", &standard.dep, lifetime(7, 0))).await;
    let set = row_ends(storage, "a", UNIX_EPOCH + Duration::from_secs(1_700_000_000)).await;
    assert!(numbers(storage, "a").await.is_empty());
    let expired = tokio::time::timeout(Duration::from_secs(60), storage.expire_roots()).await;
    assert_eq!(expired.expect("it comes to an end").unwrap(), 1);
    let ends = |set: &[RootRevision]| -> Vec<_> {
        set.iter().map(|one| (one.revision, one.expires)).collect()
    };
    assert_eq!(ends(&storage.root(&name("a")).await.unwrap()), ends(&set));
    assert!(storage.index().expired_roots(10).await.unwrap().is_empty());

    // Before the row has expired, a check finds it.
    let options = |repair| VerifyOptions { contents: false, repair };
    let tomorrow = set[0].created + Duration::from_secs(24 * 3600);
    let set = row_ends(storage, "b", tomorrow).await;
    for repair in [false, true] {
        let found = verify(storage, options(repair), QUIET).await.unwrap();
        assert!(matches!(kinds(&found)[..], [FaultKind::RootNotIndexed]), "{found:?}");
    }
    assert_eq!(ends(&storage.root(&name("b")).await.unwrap()), ends(&set));
    assert!(kinds(&verify(storage, options(false), QUIET).await.unwrap()).is_empty());
}

#[tokio::test]
async fn a_collection_whose_index_was_lost_keeps_what_roots_need() {
    for place in [Place::Directory, Place::Bucket] {
        let Some((fixture, standard)) = filled(place).await else { continue };
        put(&fixture.storage, &root("project/main", &standard.top, lifetime(0, 0))).await;
        let again = fixture.with_new_index();
        let policy =
            Retention { min_age: Duration::ZERO, keep_roots: true, ..Retention::default() };
        for _ in 0..2 {
            collect(&again, &policy, &|_| ()).await.unwrap();
            // A path that was touched in this second is young.
            tokio::time::sleep(Duration::from_millis(2_100)).await;
        }
        collect(&again, &policy, &|_| ()).await.unwrap();
        assert_eq!(numbers(&again, "project/main").await, [1], "{place:?}");
        for (path, stays) in [(&standard.top, true), (&standard.dep, true), (&standard.blob, false)]
        {
            let found = again.path_info(path.hash_part()).await.unwrap();
            assert_eq!(found.is_some(), stays, "{place:?}: {path}");
        }
    }
}
