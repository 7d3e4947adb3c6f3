//! NARs as they were registered, and their ranges.

use rns_formats::Sha256Digest;
use rns_testing::{FixtureStore, Standard, Tree};

use crate::support::{open, read};

#[tokio::test]
async fn nars_are_those_that_were_registered() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let all = [
        &fixture.tree,
        &fixture.dep,
        &fixture.top,
        &fixture.itself,
        &fixture.executable,
        &fixture.link,
        &fixture.blob,
        &fixture.special,
        &fixture.bytes,
    ];
    for path in all {
        let nar = read(&store, path, None).await.unwrap();
        assert_eq!(Sha256Digest::of(&nar), fixture.store.info(path).nar_hash, "{path}");
        assert_eq!(nar, fixture.store.nar(path), "{path}");
    }
}

#[tokio::test]
async fn any_range_is_that_part_of_the_whole() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let nar = fixture.store.nar(&fixture.blob);
    let len = nar.len() as u64;
    for range in
        [0..1, 0..len, 95..97, 1_000_000..len, 300_000..900_001, len - 10..len, len - 1..len]
    {
        let part = read(&store, &fixture.blob, Some(range.clone())).await.unwrap();
        assert_eq!(part, nar[range.start as usize..range.end as usize], "{range:?}");
    }
}

#[tokio::test]
async fn a_nar_that_was_built_anew_is_not_the_one_that_was_asked_for() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let other = Sha256Digest::of(b"another NAR");
    assert!(store.nar(fixture.tree.hash_part(), Some(other)).await.unwrap().is_none());
    let right = fixture.store.info(&fixture.tree).nar_hash;
    assert!(store.nar(fixture.tree.hash_part(), Some(right)).await.unwrap().is_some());
}

#[tokio::test]
async fn rows_without_a_size_get_it_from_the_files() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("old", Tree::file("from an old Nix"));
    fixture.execute("update ValidPaths set narSize = null", []);
    let store = open(&fixture);
    let info = store.path_info(path.hash_part()).await.unwrap().unwrap();
    assert_eq!(info.nar_size, fixture.nar(&path).len() as u64);
}

#[tokio::test]
async fn many_readers_of_one_tree_walk_it_once() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let hash = fixture.tree.hash_part();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.nar(hash, None).await.unwrap().unwrap().size() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1432);
    }
    assert_eq!(store.numbers().layout_misses, 1);
}
