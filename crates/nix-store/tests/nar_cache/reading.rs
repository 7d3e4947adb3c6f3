//! The bytes that readers get.

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use rns_cache::{Blob as _, Chunks as _, GrowingBlob as _};
use rns_formats::Sha256Digest;
use rns_nix_store::{Codec, Compressed, NarCacheConfig, StoreConfig};

use crate::{Lab, Opened, ask, collect, finished, growing, read, stream, whole};

const LARGE: usize = 9 << 20;

#[tokio::test]
async fn a_small_nar_is_compressed_before_the_first_byte() {
    let mut lab = Lab::new();
    let path = lab.add("small", 300_000);
    let store = lab.open();
    let Some(Compressed::Finished(small)) = ask(&store, &path, Codec::Zstd).await else {
        panic!("not finished")
    };
    let bytes = whole(&small).await;
    assert!(zstd::decode_all(&*bytes).unwrap() == lab.store.nar(&path));
    assert_eq!(
        (small.file().size, small.file().hash),
        (bytes.len() as u64, Sha256Digest::of(&bytes))
    );
    assert!(
        small.etag().starts_with(&format!("{}-zstd-3-", lab.store.info(&path).nar_hash.to_nix32())),
        "{}",
        small.etag()
    );
    assert!(read(&small, 10..20).await == bytes[10..20]);
}

#[tokio::test]
async fn xz_is_what_xz_reads() {
    let mut lab = Lab::new();
    let path = lab.add("small", 300_000);
    let store = lab.open();
    let Some(Compressed::Finished(small)) = ask(&store, &path, Codec::Xz).await else {
        panic!("not finished")
    };
    let mut nar = Vec::new();
    xz2::read::XzDecoder::new(&*whole(&small).await).read_to_end(&mut nar).unwrap();
    assert!(nar == lab.store.nar(&path));
    assert!(small.etag().contains("-xz-1-"), "{}", small.etag());
}

#[tokio::test]
async fn many_readers_of_a_large_nar_share_one_compression() {
    let mut lab = Lab::new();
    let path = lab.add("large", LARGE);
    let store = lab.open();
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(tokio::spawn(collect(stream(growing(&store, &path).await).await)));
    }
    let first = readers.pop().unwrap().await.unwrap().unwrap();
    assert!(zstd::decode_all(&*first).unwrap() == lab.store.nar(&path));
    for reader in readers {
        assert!(reader.await.unwrap().unwrap() == first);
    }
    let numbers = store.numbers().nar_cache;
    assert_eq!((numbers.made, numbers.running), (1, 0));
    assert_eq!(numbers.bytes, first.len() as u64);
    assert!(whole(&finished(&store, &path).await).await == first);
}

#[tokio::test]
async fn a_reader_that_is_slow_holds_up_nobody_and_gets_everything() {
    let mut lab = Lab::new();
    let path = lab.add("large", LARGE);
    let store = lab.open();
    let mut slow = stream(growing(&store, &path).await).await;
    let mut bytes = slow.next_chunk().await.unwrap().unwrap().to_vec();
    let fast = whole(&finished(&store, &path).await).await;
    bytes.extend(collect(slow).await.unwrap());
    assert!(bytes == fast);
}

#[tokio::test]
async fn a_resume_of_what_is_not_finished_waits_and_is_exact() {
    let mut lab = Lab::new();
    let path = lab.add("large", LARGE);
    let store = lab.open();
    let cold = growing(&store, &path).await;
    let tag = cold.etag().into_owned();
    let finished = cold.finish().await.unwrap().unwrap();
    assert_eq!(finished.etag(), tag);
    let all = whole(&finished).await;
    assert!(read(&finished, 1_000_000..finished.file().size).await == all[1_000_000..]);
    assert_eq!(Sha256Digest::of(&all), finished.file().hash);
}

#[tokio::test]
async fn what_is_made_again_is_the_same() {
    let mut lab = Lab::new();
    let path = lab.add("large", LARGE);
    let once = finished(&lab.open(), &path).await;
    let bytes = whole(&once).await;
    std::fs::remove_dir_all(lab.directory()).unwrap();
    let again = finished(&lab.open(), &path).await;
    assert_eq!((again.etag(), again.file()), (once.etag(), once.file()));
    assert!(whole(&again).await == bytes);
}

#[tokio::test]
async fn a_hit_asks_the_daemon_for_nothing() {
    let mut lab = Lab::new();
    let path = lab.add("large", LARGE);
    let socket = lab.scratch.join("no-daemon-here");
    let store = StoreConfig { daemon_socket: Some(socket), ..lab.config() };
    let store = Opened::new(store, lab.cache());
    let asked = || store.numbers().unrooted.iter().map(|(_, count)| count).sum::<u64>();
    finished(&store, &path).await;
    let before = asked();
    assert!(before > 0, "a compression holds its path");
    assert!(matches!(ask(&store, &path, Codec::Zstd).await, Some(Compressed::Finished(_))));
    assert_eq!(asked(), before);
}

#[tokio::test]
async fn lengths_and_hashes_are_told_as_soon_as_they_are_known() {
    let mut lab = Lab::new();
    let (small, large) = (lab.add("small", 300_000), lab.add("large", LARGE));
    let store = lab.open();
    let info = lab.store.info(&small);
    assert_eq!(store.known_compressed_file(&info.nar_hash, Codec::Zstd), None);
    let file = store.compressed_file(info, Codec::Zstd).await.unwrap();
    assert_eq!(file, *finished(&store, &small).await.file());
    assert_eq!(store.known_compressed_file(&info.nar_hash, Codec::Zstd), Some(file));
    let info = lab.store.info(&large);
    // The question begins the compression, which may end while the question waits for it.
    let told = store.compressed_file(info, Codec::Zstd).await;
    let file = *finished(&store, &large).await.file();
    assert!(told.is_none_or(|told| told == file));
    assert_eq!(store.known_compressed_file(&info.nar_hash, Codec::Zstd), Some(file));
}

#[tokio::test]
async fn what_is_not_there_is_not_compressed() {
    let mut lab = Lab::new();
    let path = lab.add("small", 300_000);
    let store = lab.open_with(NarCacheConfig { bytes: 200_000, ..lab.cache() });
    assert!(ask(&store, &path, Codec::Zstd).await.is_none(), "larger than the cache");
    assert!(!store.compresses(300_000) && store.compresses(200_000));
    let store = lab.open();
    let other = Some(Sha256Digest::of(b"other"));
    assert!(
        store.compressed_nar(path.hash_part(), other, Codec::Zstd).await.unwrap().is_none(),
        "another NAR"
    );
    finished(&store, &path).await;
    lab.store.forget(&path);
    let deadline = Instant::now() + Duration::from_secs(5);
    while ask(&store, &path, Codec::Zstd).await.is_some() {
        assert!(Instant::now() < deadline, "not valid any more");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
