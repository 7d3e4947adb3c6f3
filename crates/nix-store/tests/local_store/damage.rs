//! Files that are gone, altered or exchanged.

use std::{fs, os::unix::fs::symlink};

use rns_cache::CacheError;
use rns_nix_store::{LocalStore, StoreConfig, Verify};
use rns_testing::{FixtureStore, Tree};

use crate::support::{config, open, read};

#[tokio::test]
async fn files_that_are_gone_or_changed_in_size_make_a_miss() {
    let mut fixture = FixtureStore::new();
    let gone = fixture.add("gone", Tree::file("1"));
    let longer = fixture.add("longer", Tree::directory([("a", Tree::with_mode(0o644, "2"))]));
    let store = open(&fixture);
    fixture.remove_files(&gone);
    assert!(store.path_info(gone.hash_part()).await.unwrap().is_none());
    assert!(store.nar(gone.hash_part(), None).await.unwrap().is_none());
    fs::write(fixture.real_path(&longer).join("a"), "much longer than before").unwrap();
    assert!(store.nar(longer.hash_part(), None).await.unwrap().is_none());
    // A path that is known to be damaged is not announced either.
    assert!(store.path_info(longer.hash_part()).await.unwrap().is_none());
}

#[tokio::test]
async fn altered_contents_are_never_sent_as_a_whole_nar() {
    let mut fixture = FixtureStore::new();
    let small = fixture.add("small", Tree::with_mode(0o644, "aaaa"));
    let large =
        fixture.add("large", Tree::directory([("f", Tree::with_mode(0o644, vec![1; 1_000_000]))]));
    let store = open(&fixture);
    fs::write(fixture.real_path(&small), "bbbb").unwrap();
    fs::write(fixture.real_path(&large).join("f"), vec![2; 1_000_000]).unwrap();

    let nar = store.nar(small.hash_part(), None).await.unwrap().unwrap();
    assert!(
        store.read_nar(&nar, 0..nar.size()).await.unwrap().is_none(),
        "found out before the first byte"
    );

    let (sent, error) = read(&store, &large, None).await.unwrap_err();
    assert!((sent.len() as u64) < fixture.info(&large).nar_size, "the end is withheld");
    assert!(matches!(error, CacheError::Damaged { .. }), "{error}");
    assert!(
        store.path_info(large.hash_part()).await.unwrap().is_none(),
        "and the path is not announced any more"
    );
    assert_eq!(store.numbers().damaged, 2);
}

#[tokio::test]
async fn verification_can_be_switched_off() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("small", Tree::with_mode(0o644, "aaaa"));
    fs::write(fixture.real_path(&path), "bbbb").unwrap();
    let store = LocalStore::open(StoreConfig { verify: Verify::Never, ..config(&fixture) });
    assert_ne!(read(&store, &path, None).await.unwrap(), fixture.nar(&path));
}

#[tokio::test]
async fn a_directory_exchanged_for_a_link_is_not_followed() {
    let mut fixture = FixtureStore::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), vec![9; 400_000]).unwrap();
    let path = fixture.add(
        "tree",
        Tree::directory([("d", Tree::directory([("f", Tree::file(vec![1; 400_000]))]))]),
    );
    let store = open(&fixture);
    let nar = store.nar(path.hash_part(), None).await.unwrap().unwrap();
    let d = fixture.real_path(&path).join("d");
    fs::rename(&d, d.with_extension("away")).unwrap();
    symlink(outside.path(), &d).unwrap();
    let body = store.read_nar(&nar, 0..nar.size()).await.unwrap();
    assert!(body.is_none(), "found out before a byte was sent");
}
