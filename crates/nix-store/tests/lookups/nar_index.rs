//! NARs by nothing but their hash.

use std::{collections::BTreeSet, fs};

use rns_formats::{HashPart, Sha256Digest, StorePath};
use rns_nix_store::{LocalStore, StoreConfig};
use rns_testing::{FixtureStore, Tree};

use crate::{config, open};

async fn find(store: &LocalStore, hash: &Sha256Digest) -> BTreeSet<HashPart> {
    store.find_nar(hash).await.unwrap().into_iter().collect()
}

fn hash_parts<'a>(paths: impl IntoIterator<Item = &'a StorePath>) -> BTreeSet<HashPart> {
    paths.into_iter().map(StorePath::hash_part).collect()
}

fn numbered(fixture: &mut FixtureStore, count: usize) -> Vec<StorePath> {
    (0..count).map(|number| fixture.add("numbered", Tree::file(number.to_string()))).collect()
}

#[tokio::test]
async fn paths_are_found_by_their_nar_hash() {
    let mut fixture = FixtureStore::new();
    let paths = numbered(&mut fixture, 5);
    let (one, other) =
        (fixture.add("one", Tree::file("same")), fixture.add("other", Tree::file("same")));
    let store = open(&fixture);
    for path in &paths {
        assert_eq!(find(&store, &fixture.info(path).nar_hash).await, hash_parts([path]));
    }
    assert_eq!(find(&store, &fixture.info(&one).nar_hash).await, hash_parts([&one, &other]));
    assert_eq!(find(&store, &Sha256Digest::of(b"nothing")).await, hash_parts([]));
}

#[tokio::test]
async fn what_comes_and_goes_while_the_server_runs_is_noticed() {
    let mut fixture = FixtureStore::new();
    let old = fixture.add("old", Tree::file("old"));
    let store = open(&fixture);
    assert_eq!(find(&store, &fixture.info(&old).nar_hash).await, hash_parts([&old]));

    let new = fixture.add("new", Tree::file("new"));
    assert_eq!(find(&store, &fixture.info(&new).nar_hash).await, hash_parts([&new]));
    fixture.forget(&old);
    assert_eq!(find(&store, &fixture.info(&old).nar_hash).await, hash_parts([]));
    fixture.execute("update ValidPaths set hash = 'sha256:' || lower(hex(zeroblob(32)))", []);
    assert_eq!(
        find(&store, &fixture.info(&new).nar_hash).await,
        hash_parts([]),
        "the row has the last word"
    );
}

#[tokio::test]
async fn more_paths_than_the_index_may_hold_are_still_found() {
    for bound in [0, 1, 4] {
        let mut fixture = FixtureStore::new();
        let mut paths = numbered(&mut fixture, 6);
        let store = LocalStore::open(StoreConfig { index_entries: bound, ..config(&fixture) });
        for path in &paths {
            assert_eq!(
                find(&store, &fixture.info(path).nar_hash).await,
                hash_parts([path]),
                "{bound}"
            );
        }
        paths.push(fixture.add("later", Tree::file("later")));
        assert_eq!(
            find(&store, &fixture.info(&paths[6]).nar_hash).await,
            hash_parts([&paths[6]]),
            "{bound}"
        );
        assert_eq!(find(&store, &Sha256Digest::of(b"nothing")).await, hash_parts([]));
    }
}

#[tokio::test]
async fn hashes_in_nix32_are_found_in_the_index_and_beyond_it() {
    let mut fixture = FixtureStore::new();
    let paths = numbered(&mut fixture, 2);
    for path in &paths {
        let hash = fixture.info(path).nar_hash.to_string();
        fixture.execute(
            "update ValidPaths set hash = ? where path = ?",
            [hash, fixture.store_dir().print(path)],
        );
    }
    for bound in [1, 10] {
        let store = LocalStore::open(StoreConfig { index_entries: bound, ..config(&fixture) });
        for path in &paths {
            assert_eq!(find(&store, &fixture.info(path).nar_hash).await, hash_parts([path]));
        }
    }
}

#[tokio::test]
async fn of_very_many_paths_with_one_hash_some_are_enough() {
    let mut fixture = FixtureStore::new();
    let paths: Vec<_> =
        (0..100).map(|number| fixture.add(&format!("empty-{number}"), Tree::file(""))).collect();
    let hash = fixture.info(&paths[0]).nar_hash;
    for bound in [0, 1000] {
        let store = LocalStore::open(StoreConfig { index_entries: bound, ..config(&fixture) });
        let found = find(&store, &hash).await;
        assert!((1..=32).contains(&found.len()));
        assert!(found.is_subset(&hash_parts(&paths)));
    }
}

#[tokio::test]
async fn a_restored_database_is_indexed_anew() {
    let mut fixture = FixtureStore::new();
    let before = numbered(&mut fixture, 3);
    fixture.close_database();
    let backup = fixture.root().join("backup");
    fs::copy(fixture.database(), &backup).unwrap();
    fixture.open_database();
    let lost = fixture.add("lost", Tree::file("lost"));
    let store = open(&fixture);
    assert_eq!(find(&store, &fixture.info(&lost).nar_hash).await, hash_parts([&lost]));

    fixture.close_database();
    for leftover in ["db.sqlite-wal", "db.sqlite-shm"] {
        let _ = fs::remove_file(fixture.database().with_file_name(leftover));
    }
    fs::rename(&backup, fixture.database()).unwrap();
    fixture.open_database();
    // Takes the number that the lost one had.
    let new = fixture.add("new", Tree::file("new"));
    assert_eq!(find(&store, &fixture.info(&new).nar_hash).await, hash_parts([&new]));
    assert_eq!(find(&store, &fixture.info(&lost).nar_hash).await, hash_parts([]));
    assert_eq!(find(&store, &fixture.info(&before[0]).nar_hash).await, hash_parts([&before[0]]));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error() {
    let fixture = FixtureStore::new();
    let store = LocalStore::open(StoreConfig {
        database: fixture.root().join("nowhere"),
        ..config(&fixture)
    });
    store.find_nar(&Sha256Digest::of(b"")).await.unwrap_err();
}
