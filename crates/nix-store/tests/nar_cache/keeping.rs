//! Which files stay in the cache, and which go.

use std::{fs, future::poll_fn, time::Duration};

use rns_cache::{Blob as _, BlobBody, Chunks as _, GrowingBlob as _};
use rns_nix_store::{Codec, Compressed, NarCacheConfig};

use crate::{Lab, ask, collect, eventually, finished, growing, stream, whole};

#[tokio::test]
async fn files_survive_a_restart() {
    let mut lab = Lab::new();
    let paths = [lab.add("small", 300_000), lab.add("large", 9 << 20), lab.add("tiny", 100)];
    let first = lab.open();
    let mut before = Vec::new();
    for path in &paths {
        let made = finished(&first, path).await;
        before.push((made.etag().into_owned(), *made.file(), whole(&made).await));
    }
    drop(first);
    let second = lab.open();
    for (path, (tag, file, bytes)) in paths.iter().zip(before) {
        let Some(Compressed::Finished(found)) = ask(&second, path, Codec::Zstd).await else {
            panic!("not found")
        };
        assert_eq!((&*found.etag(), *found.file()), (&*tag, file));
        assert!(whole(&found).await == bytes);
    }
    assert_eq!(second.numbers().nar_cache.made, 0);
    assert_eq!(second.numbers().nar_cache.hits, 3);
}

#[tokio::test]
async fn the_least_recently_used_files_go_first() {
    let mut lab = Lab::new();
    let paths: Vec<_> = (1..=6).map(|n| lab.add(&"x".repeat(n), 1 << 20)).collect();
    // Each takes a little more than half a MiB.
    let bound = 5 << 19;
    let store = lab.open_with(NarCacheConfig { bytes: bound, ..lab.cache() });
    for path in &paths[..4] {
        finished(&store, path).await;
    }
    finished(&store, &paths[0]).await;
    finished(&store, &paths[4]).await;
    let numbers = store.numbers().nar_cache;
    assert!(numbers.bytes <= bound && numbers.evictions >= 1, "{numbers:?}");
    let known = |n: usize| {
        store.known_compressed_file(&lab.store.info(&paths[n]).nar_hash, Codec::Zstd).is_some()
    };
    assert!(known(0) && known(4), "those used last are there");
    assert!(!known(1), "the one not used for the longest time has gone");
    let on_disk: u64 =
        lab.files().iter().map(|name| lab.directory().join(name).metadata().unwrap().len()).sum();
    assert_eq!(on_disk, numbers.bytes);
}

#[tokio::test]
async fn the_order_of_use_survives_a_restart() {
    let mut lab = Lab::new();
    let paths: Vec<_> = (1..=4).map(|n| lab.add(&"x".repeat(n), 1 << 20)).collect();
    let store = lab.open();
    for path in &paths {
        finished(&store, path).await;
    }
    // The times are as long ago as they would be in real life.
    for (name, days) in lab.files().iter().zip([1, 9, 2, 3]) {
        let file = fs::File::open(lab.directory().join(name)).unwrap();
        let used = std::time::SystemTime::now() - Duration::from_secs(days * 86_400);
        file.set_times(fs::FileTimes::new().set_accessed(used)).unwrap();
    }
    let oldest = lab.files()[1].clone();
    let store = lab.open_with(NarCacheConfig { bytes: 4 << 19, ..lab.cache() });
    eventually("the oldest goes", || !lab.directory().join(&oldest).exists()).await;
    assert_eq!(lab.files().len(), 3);
    drop(store);
}

#[tokio::test]
async fn a_file_that_is_being_read_can_go() {
    let mut lab = Lab::new();
    let (one, two) = (lab.add("one", 6 << 20), lab.add("other", 6 << 20));
    let store = lab.open_with(NarCacheConfig { bytes: 6_400_000, ..lab.cache() });
    let first = finished(&store, &one).await;
    let Ok(Some(BlobBody::Stream(mut chunks))) = first.read(0..first.file().size).await else {
        panic!("a stream")
    };
    let mut bytes = poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap().unwrap().to_vec();
    finished(&store, &two).await;
    let info = lab.store.info(&one);
    assert_eq!(store.known_compressed_file(&info.nar_hash, Codec::Zstd), None, "it was evicted");
    while let Some(chunk) = poll_fn(|cx| chunks.poll_chunk(cx)).await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert!(zstd::decode_all(&*bytes).unwrap() == lab.store.nar(&one));
}

#[tokio::test]
async fn a_compression_goes_on_for_a_while_when_its_reader_has_left() {
    let mut lab = Lab::new();
    let path = lab.add("large", 9 << 20);
    let store = lab.open();
    let mut reader = stream(growing(&store, &path).await).await;
    reader.next_chunk().await.unwrap().unwrap();
    drop(reader);
    eventually("it is completed", || store.numbers().nar_cache.made == 1).await;
}

#[tokio::test]
async fn a_compression_that_nobody_waits_for_ends() {
    let mut lab = Lab::new();
    let path = lab.add("large", 48 << 20);
    let store = lab.open_with(NarCacheConfig { grace: Duration::ZERO, ..lab.cache() });
    let mut reader = stream(growing(&store, &path).await).await;
    let first = reader.next_chunk().await.unwrap().unwrap();
    drop(reader);
    eventually("it ends", || store.numbers().nar_cache.running == 0).await;
    assert_eq!(store.numbers().nar_cache.made, 0);
    assert_eq!(lab.files(), Vec::<String>::new());
    let all = collect(stream(growing(&store, &path).await).await).await.unwrap();
    assert!(all.starts_with(&first) && zstd::decode_all(&*all).unwrap() == lab.store.nar(&path));
}

#[tokio::test]
async fn what_is_used_from_memory_counts_as_used() {
    let mut lab = Lab::new();
    let tiny = lab.add("tiny", 40_000);
    let paths: Vec<_> = (1..=4).map(|n| lab.add(&"x".repeat(n), 1 << 20)).collect();
    let store = lab.open_with(NarCacheConfig { bytes: 3 << 19, ..lab.cache() });
    for path in &paths {
        finished(&store, &tiny).await;
        finished(&store, path).await;
    }
    assert!(store.numbers().nar_cache.evictions >= 1);
    let tag = lab.store.info(&tiny).nar_hash.to_nix32();
    assert!(lab.files().iter().any(|name| name.starts_with(&tag)), "{:?}", lab.files());
}

#[tokio::test]
async fn work_that_everybody_left_before_it_began_is_not_done() {
    let mut lab = Lab::new();
    let paths =
        [lab.add("running", 20 << 20), lab.add("left", 9 << 20), lab.add("wanted", 5 << 20)];
    // Room for one encoder.
    let config = NarCacheConfig { encoder_memory_bytes: 1, grace: Duration::ZERO, ..lab.cache() };
    let store = lab.open_with(config);
    let start = async |path| match ask(&store, path, Codec::Xz).await {
        Some(Compressed::GrowingNar(growing)) => growing,
        _ => panic!("it is large"),
    };
    let running = stream(start(&paths[0]).await).await;
    // It asks, waits for its turn, and leaves.
    let left = Box::new(start(&paths[1]).await);
    let waiting = tokio::time::timeout(Duration::ZERO, left.stream()).await;
    assert!(waiting.is_err(), "it is not its turn");
    let wanted = start(&paths[2]).await;
    let (running, wanted) =
        tokio::join!(collect(running), async { collect(stream(wanted).await).await });
    running.unwrap();
    wanted.unwrap();
    assert_eq!(lab.files().len(), 2, "{:?}", lab.files());
}

#[tokio::test]
async fn the_question_for_a_narinfo_begins_the_compression_of_a_large_nar() {
    let mut lab = Lab::new();
    let path = lab.add("large", 9 << 20);
    let store = lab.open();
    let info = store.local.path_info(path.hash_part()).await.unwrap().unwrap();
    // It is there at once or in a moment, without a request for the NAR.
    _ = store.compressed_file(&info, Codec::Zstd).await;
    eventually("it is made", || store.known_compressed_file(&info.nar_hash, Codec::Zstd).is_some())
        .await;
    let known = store.known_compressed_file(&info.nar_hash, Codec::Zstd).unwrap();
    let made = finished(&store, &path).await;
    assert_eq!(*made.file(), known);
    eventually("it is counted", || store.numbers().nar_cache.made == 1).await;
}

#[tokio::test]
async fn nothing_is_driven_out_for_a_nar_that_nobody_has_asked_for() {
    let mut lab = Lab::new();
    let (kept, large) = (lab.add("kept", 3 << 20), lab.add("large", 9 << 20));
    let store = lab.open_with(NarCacheConfig { bytes: 10 << 20, ..lab.cache() });
    finished(&store, &kept).await;
    let info = store.local.path_info(large.hash_part()).await.unwrap().unwrap();
    assert!(store.compressed_file(&info, Codec::Zstd).await.is_none());
    let numbers = store.numbers().nar_cache;
    assert_eq!((numbers.running, numbers.made, numbers.evictions), (0, 1, 0));
}
