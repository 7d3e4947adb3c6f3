//! Paths whose files change, are damaged, repaired or removed while the store is open.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, thread, time::Duration};

use rns_cache::{BlobBody, CacheError, Chunks as _};
use rns_formats::StorePath;
use rns_nix_store::LocalStore;
use rns_testing::{FixtureStore, Tree};

use crate::open;

/// Half a mebibyte, so that two of them are more than is read before the first byte is sent.
const HALF: usize = 512 << 10;

fn two_files(store: &mut FixtureStore) -> StorePath {
    // A store of which nothing is there is another matter.
    store.add("other", Tree::file("other"));
    let file = |byte| Tree::with_mode(0o644, vec![byte; HALF]);
    store.add("two", Tree::directory([("a", file(1)), ("b", file(2))]))
}

/// All bytes, or how many came before the error.
async fn read(store: &LocalStore, path: &StorePath) -> Result<Vec<u8>, (usize, CacheError)> {
    let nar = store.nar(path.hash_part(), None).await.unwrap().expect("the path is valid");
    match store.read_nar(&nar, 0..nar.size()).await.unwrap() {
        None => Ok(Vec::new()),
        Some(BlobBody::Whole(bytes)) => Ok(bytes.to_vec()),
        Some(BlobBody::Stream(mut stream)) => {
            let mut all = Vec::new();
            while let Some(chunk) = stream.next_chunk().await {
                all.extend_from_slice(&chunk.map_err(|error| (all.len(), error))?);
            }
            Ok(all)
        }
    }
}

/// Puts another file in the place of one, of the same length and as old as that.
fn exchange(file: &Path, contents: &[u8]) {
    let before = fs::metadata(file).unwrap();
    let other = file.with_extension("other");
    fs::write(&other, contents).unwrap();
    fs::File::open(&other).unwrap().set_modified(before.modified().unwrap()).unwrap();
    fs::rename(&other, file).unwrap();
    assert_eq!(fs::metadata(file).unwrap().mtime(), before.mtime());
}

/// A change in the second of the verification counts as a change after it.
fn wait_a_second() {
    thread::sleep(Duration::from_millis(1100));
}

#[tokio::test]
async fn the_first_reader_after_a_change_is_not_sent_a_whole_nar() {
    for changed in ["a", "b"] {
        let mut fixture = FixtureStore::new();
        let path = two_files(&mut fixture);
        let store = open(&fixture);
        wait_a_second();
        read(&store, &path).await.unwrap();
        exchange(&fixture.real_path(&path).join(changed), &vec![9; HALF]);
        let (sent, error) = read(&store, &path).await.expect_err("the end is withheld");
        assert!(matches!(error, CacheError::Damaged { .. }), "{changed}: {error}");
        assert!((sent as u64) < fixture.info(&path).nar_size, "{changed}");
    }
}

#[tokio::test]
async fn a_small_nar_that_changed_is_a_miss_for_the_first_reader() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("small", Tree::with_mode(0o644, "right"));
    let store = open(&fixture);
    wait_a_second();
    assert_eq!(read(&store, &path).await.unwrap(), fixture.nar(&path));
    exchange(&fixture.real_path(&path), b"wrong");
    assert!(read(&store, &path).await.unwrap().is_empty());
    assert!(store.path_info(path.hash_part()).await.unwrap().is_none());
}

#[tokio::test]
async fn files_that_changed_only_their_times_are_sent_and_verified() {
    let mut fixture = FixtureStore::new();
    let path = two_files(&mut fixture);
    let store = open(&fixture);
    wait_a_second();
    read(&store, &path).await.unwrap();
    // The effect of `nix-store --optimise`.
    let file = fixture.real_path(&path).join("b");
    fs::hard_link(&file, fixture.root().join("link")).unwrap();
    assert_eq!(read(&store, &path).await.unwrap(), fixture.nar(&path));
}

#[tokio::test]
async fn a_repaired_path_is_there_at_once() {
    let mut fixture = FixtureStore::new();
    let path = two_files(&mut fixture);
    let (store, hash) = (open(&fixture), path.hash_part());
    let file = fixture.real_path(&path).join("b");
    exchange(&file, &vec![9; HALF]);
    read(&store, &path).await.unwrap_err();
    assert!(store.is_suspect(&hash));
    assert!(store.path_info(hash).await.unwrap().is_none(), "it is known to be damaged");
    // The effect of `nix-store --repair-path`: another directory takes the place of the damaged one.
    let (root, away) = (fixture.real_path(&path), fixture.root().join("away"));
    fs::rename(&root, &away).unwrap();
    assert!(store.path_info(hash).await.unwrap().is_none(), "nothing is there");
    fixture.restore_files(&path);
    assert!(store.path_info(hash).await.unwrap().is_some());
    assert_eq!(read(&store, &path).await.unwrap(), fixture.nar(&path));
    assert!(!store.is_suspect(&hash));
}

#[tokio::test]
async fn a_file_that_is_mended_in_its_place_is_noticed() {
    let mut fixture = FixtureStore::new();
    let path = two_files(&mut fixture);
    let (store, hash) = (open(&fixture), path.hash_part());
    let file = fixture.real_path(&path).join("b");
    fs::write(&file, vec![9; HALF]).unwrap();
    read(&store, &path).await.unwrap_err();
    assert!(store.path_info(hash).await.unwrap().is_none());
    wait_a_second();
    assert!(store.path_info(hash).await.unwrap().is_none(), "however long that is ago");
    fs::write(&file, vec![2; HALF]).unwrap();
    wait_a_second();
    assert!(store.path_info(hash).await.unwrap().is_some());
    assert_eq!(read(&store, &path).await.unwrap(), fixture.nar(&path));
}

#[tokio::test]
async fn a_path_that_is_removed_while_it_is_asked_for_is_not_damaged() {
    let mut fixture = FixtureStore::new();
    let path = two_files(&mut fixture);
    let store = open(&fixture);
    let nar = store.nar(path.hash_part(), None).await.unwrap().unwrap();
    fixture.forget(&path);
    fixture.remove_files(&path);
    // Less than is streamed, so that nothing holds the path.
    assert!(store.read_nar(&nar, 0..1000).await.unwrap().is_none());
    assert_eq!(store.numbers().damaged, 0);
    assert!(!store.is_suspect(&path.hash_part()));
}
