//! Damage to the cache costs time, nothing else.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use rns_cache::{CacheError, Chunks as _, GrowingBlob as _};
use rns_nix_store::{Codec, Compressed, NarCacheConfig};
use rns_testing::Tree;

use crate::{Lab, ask, collect, eventually, finished, growing, read, stream, whole};

#[tokio::test]
async fn without_a_directory_everything_is_still_served() {
    let mut lab = Lab::new();
    let (small, large) = (lab.add("small", 300_000), lab.add("large", 9 << 20));
    let nowhere = lab.scratch.write("a-file", "").join("nars");
    let store = lab.open_with(NarCacheConfig { directory: nowhere, ..lab.cache() });
    let made = finished(&store, &small).await;
    assert!(zstd::decode_all(&*whole(&made).await).unwrap() == lab.store.nar(&small));
    let streamed = collect(stream(growing(&store, &large).await).await).await.unwrap();
    assert!(zstd::decode_all(&*streamed).unwrap() == lab.store.nar(&large));
    let resumed = finished(&store, &large).await;
    assert_eq!(resumed.file().size, streamed.len() as u64);
    let range = 1_234_567..resumed.file().size - 3;
    assert!(
        read(&resumed, range.clone()).await == streamed[range.start as usize..range.end as usize]
    );
}

#[tokio::test]
async fn a_directory_that_is_deleted_is_made_again() {
    let mut lab = Lab::new();
    let (small, large) = (lab.add("small", 300_000), lab.add("large", 9 << 20));
    let store = lab.open();
    let before = whole(&finished(&store, &small).await).await;
    let mut reader = stream(growing(&store, &large).await).await;
    let mut bytes = reader.next_chunk().await.unwrap().unwrap().to_vec();
    fs::remove_dir_all(lab.directory()).unwrap();
    bytes.extend(collect(reader).await.unwrap());
    assert!(zstd::decode_all(&*bytes).unwrap() == lab.store.nar(&large));
    assert!(whole(&finished(&store, &small).await).await == before);
    assert!(whole(&finished(&store, &large).await).await == bytes);
    assert_eq!(lab.files().len(), 2, "{:?}", lab.files());
}

#[tokio::test]
async fn a_cache_that_is_full_in_the_middle_does_not_end_the_download() {
    let mut lab = Lab::new();
    let noise: Vec<u8> = {
        let mut state = 1_u64;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(9 << 20)
        .collect()
    };
    let path = lab.store.add("noise", Tree::file(noise));
    let nar = lab.store.nar(&path);
    // Compressed it is longer than it was, and than the cache may be.
    let store = lab.open_with(NarCacheConfig { bytes: nar.len() as u64, ..lab.cache() });
    let bytes = collect(stream(growing(&store, &path).await).await).await.unwrap();
    assert!(bytes.len() > nar.len() && zstd::decode_all(&*bytes).unwrap() == nar);
    assert_eq!(lab.files(), Vec::<String>::new());
    let resumed = finished(&store, &path).await;
    let end = bytes.len() as u64;
    assert!(read(&resumed, 5_000_000..end).await == bytes[5_000_000..]);
}

/// Makes a file, harms it while no server runs, and looks at the reaction of the next one.
async fn harm(len: usize, harm: impl FnOnce(&Path)) {
    let mut lab = Lab::new();
    let path = lab.add("harmed", len);
    let right = whole(&finished(&lab.open(), &path).await).await;
    harm(&lab.directory().join(&lab.files()[0]));
    let store = lab.open();
    assert!(whole(&finished(&store, &path).await).await == right);
    assert_eq!(store.numbers().nar_cache.made, 1, "it was made again");
    let files = lab.files();
    assert_eq!(files.len(), 1);
    assert!(fs::read(lab.directory().join(&files[0])).unwrap() == right);
}

#[tokio::test]
async fn a_truncated_file_is_made_again() {
    harm(300_000, |file| File::options().write(true).open(file).unwrap().set_len(1000).unwrap())
        .await;
    harm(9 << 20, |file| File::options().write(true).open(file).unwrap().set_len(0).unwrap()).await;
}

#[tokio::test]
async fn a_file_with_other_contents_is_made_again() {
    let flip = |file: &Path| {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    harm(300_000, flip).await;
    harm(9 << 20, flip).await;
}

#[tokio::test]
async fn a_file_that_is_altered_while_the_server_runs_is_made_again() {
    let mut lab = Lab::new();
    let path = lab.add("large", 9 << 20);
    let store = lab.open();
    let right = whole(&finished(&store, &path).await).await;
    let file = lab.directory().join(&lab.files()[0]);
    let mut wrong = right.clone();
    wrong[100] ^= 1;
    fs::write(&file, wrong).unwrap();
    assert!(whole(&finished(&store, &path).await).await == right);
    fs::remove_file(&file).unwrap();
    assert!(whole(&finished(&store, &path).await).await == right);
}

#[tokio::test]
async fn what_a_killed_server_left_is_removed_and_what_a_living_one_writes_is_not() {
    let mut lab = Lab::new();
    lab.add("x", 10);
    fs::create_dir(lab.directory()).unwrap();
    fs::write(lab.directory().join("tmp-1-0"), "half a file").unwrap();
    let living = File::create(lab.directory().join("tmp-2-0")).unwrap();
    living.lock().unwrap();
    fs::write(lab.directory().join("README"), "not ours").unwrap();
    let _store = lab.open();
    eventually("it is removed", || lab.files() == ["README", "tmp-2-0"]).await;
}

#[tokio::test]
async fn a_nar_that_is_not_what_was_registered_ends_every_reader_with_an_error() {
    let mut lab = Lab::new();
    let path = lab.add("large", 9 << 20);
    let real = lab.store.real_path(&path);
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&real, vec![b'!'; 9 << 20]).unwrap();
    let store = lab.open();
    let (one, two) = (growing(&store, &path).await, growing(&store, &path).await);
    let (one, two) = tokio::join!(async { collect(stream(one).await).await }, async {
        collect(stream(two).await).await
    });
    for result in [one, two] {
        let (_, error) = result.expect_err("it must not look complete");
        assert!(matches!(error, CacheError::Damaged { .. }), "{error}");
    }
    assert_eq!(lab.files(), Vec::<String>::new());
    assert!(ask(&store, &path, Codec::Zstd).await.is_none(), "a miss from now on");
}

#[tokio::test]
async fn a_small_nar_that_is_not_what_was_registered_is_a_miss() {
    let mut lab = Lab::new();
    let path = lab.add("small", 300_000);
    let real = lab.store.real_path(&path);
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&real, vec![b'!'; 300_000]).unwrap();
    let store = lab.open();
    assert!(ask(&store, &path, Codec::Zstd).await.is_none());
    assert_eq!(lab.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_path_that_is_collected_before_its_turn_is_a_miss() {
    let mut lab = Lab::new();
    let path = lab.add("large", 9 << 20);
    let store = lab.open();
    let cold = growing(&store, &path).await;
    lab.store.forget(&path);
    assert!(cold.finish().await.unwrap().is_none());
    assert!(!matches!(ask(&store, &path, Codec::Zstd).await, Some(Compressed::GrowingNar(_))));
}

#[tokio::test]
async fn a_small_path_that_is_collected_is_a_miss_and_no_damage() {
    let mut lab = Lab::new();
    let path = lab.add("small", 300_000);
    let store = lab.open();
    // It is known from the narinfo; the database has not been seen to change yet.
    store.local.path_info(path.hash_part()).await.unwrap().unwrap();
    store.local.nar(path.hash_part(), None).await.unwrap().unwrap();
    lab.store.forget(&path);
    lab.store.remove_files(&path);
    assert!(ask(&store, &path, Codec::Zstd).await.is_none());
    assert_eq!(store.numbers().damaged, 0);
}

#[tokio::test]
async fn a_large_nar_that_is_collected_before_its_first_byte_is_a_miss() {
    let mut lab = Lab::new();
    let path = lab.add("large", 9 << 20);
    let store = lab.open();
    let growing = growing(&store, &path).await;
    lab.store.forget(&path);
    lab.store.remove_files(&path);
    assert!(Box::new(growing).stream().await.unwrap().is_none());
    assert_eq!(store.numbers().damaged, 0);
}
