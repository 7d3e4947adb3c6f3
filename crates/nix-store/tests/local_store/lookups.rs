//! Paths that are there, come, and go.

use std::{fs, time::Duration};

use rns_formats::HashPart;
use rns_testing::{Entry, FixtureStore, Standard, Tree};

use crate::support::open;

#[tokio::test]
async fn a_valid_path_is_found_with_everything_that_was_registered() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    for path in [&fixture.tree, &fixture.top, &fixture.itself, &fixture.special] {
        let info = store.path_info(path.hash_part()).await.unwrap().expect("registered");
        assert_eq!(*info, *fixture.store.info(path));
    }
}

#[tokio::test]
async fn a_hash_part_that_sorts_just_before_a_path_is_a_miss() {
    let mut fixture = FixtureStore::new();
    fixture.insert(Entry::new("x", Tree::file("x")).hash_part("00000000000000000000000000000001"));
    let store = open(&fixture);
    let before = HashPart::parse("00000000000000000000000000000000").unwrap();
    assert_eq!(store.path_info(before).await.unwrap(), None);
    let after = HashPart::parse("00000000000000000000000000000002").unwrap();
    assert_eq!(store.path_info(after).await.unwrap(), None);
}

#[tokio::test]
async fn a_path_registered_while_the_store_is_open_is_seen_at_once() {
    let mut fixture = FixtureStore::new();
    let early = fixture.add("early", Tree::file("1"));
    let store = open(&fixture);
    assert!(store.path_info(early.hash_part()).await.unwrap().is_some());
    let late = fixture.add("late", Tree::file("2"));
    assert!(store.path_info(late.hash_part()).await.unwrap().is_some());
    fixture.forget(&early);
    assert!(store.path_info(early.hash_part()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_replaced_database_is_opened_anew() {
    let mut fixture = FixtureStore::new();
    let first = fixture.add("first", Tree::file("1"));
    let mut other = FixtureStore::new();
    let second = other.add("second", Tree::file("2"));
    let store = open(&fixture);
    assert!(store.path_info(first.hash_part()).await.unwrap().is_some());

    fixture.close_database();
    other.close_database();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", fixture.database().display()));
    }
    fs::rename(other.database(), fixture.database()).unwrap();
    fs::rename(other.real_path(&second), fixture.real_path(&second)).unwrap();
    assert!(store.path_info(second.hash_part()).await.unwrap().is_some());
    assert!(store.path_info(first.hash_part()).await.unwrap().is_none());
}

#[tokio::test]
async fn misses_stay_true_while_paths_come_and_go() {
    let mut fixture = FixtureStore::new();
    fixture.add("early", Tree::file("early"));
    let store = open(&fixture);
    let nobody = HashPart::parse("00000000000000000000000000000000").unwrap();
    for round in 0..30 {
        // Let the index of all paths be made and used.
        for _ in 0..3 {
            assert!(store.path_info(nobody).await.unwrap().is_none());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let path = fixture.add(&format!("path-{round}"), Tree::file(format!("{round}")));
        assert!(store.path_info(path.hash_part()).await.unwrap().is_some(), "seen at once");
        fixture.forget(&path);
        assert!(store.path_info(path.hash_part()).await.unwrap().is_none(), "gone at once");
    }
}
