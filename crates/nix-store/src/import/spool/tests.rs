//! NARs that come and go at the same time.

use std::fs;

use bytes::Bytes;
use rns_formats::{Compression, Sha256Digest};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn spool(directory: &Path) -> Spool {
    Spool::open(directory.join("spool"), 1 << 20, DAY).unwrap()
}

/// Uploads a NAR.
async fn put(spool: &Spool, contents: &'static [u8]) -> NarName {
    let hash = Sha256Digest::of(contents);
    let size = contents.len() as u64;
    let nar = VerifiedNar { nar_hash: hash, nar_size: size, file_hash: hash, file_size: size };
    let name = NarName::of_file(hash, Compression::None);
    let mut incoming = spool.begin(Some(size)).await.unwrap();
    incoming.write(Bytes::from_static(contents)).await.unwrap();
    incoming.finish(name, nar).await.unwrap();
    name
}

/// The files that are there beside the lock.
fn files(spool: &Spool) -> usize {
    fs::read_dir(spool.directory()).unwrap().count() - 1
}

#[tokio::test]
async fn a_nar_that_comes_again_while_it_is_removed_stays() {
    let directory = tempfile::tempdir().unwrap();
    let spool = spool(directory.path());
    let name = put(&spool, b"a NAR").await;
    let leaving = spool.shared.take_out(&mut spool.shared.files(), &name).unwrap();
    assert!(spool.get(&name).is_none() && spool.open_file(&name).unwrap().is_none());
    put(&spool, b"a NAR").await;
    fs::remove_file(leaving).unwrap();
    assert!(spool.open_file(&name).unwrap().is_some());
    assert_eq!((files(&spool), spool.shared.files().bytes), (1, 5));
    spool.remove(&name);
    assert_eq!((files(&spool), spool.shared.files().bytes), (0, 0));
}

#[tokio::test]
async fn a_nar_that_is_asked_for_during_a_sweep_stays() {
    let directory = tempfile::tempdir().unwrap();
    let spool = spool(directory.path());
    let (one, two) = (put(&spool, b"one").await, put(&spool, b"two").await);
    spool.imported(&one);
    let now = SystemTime::now() + IMPORTED_GRACE * 2;
    assert_eq!(spool.over(now), [one]);
    assert!(spool.renew(&one).is_some());
    assert_eq!(spool.remove_if_over(&one, now), None);
    assert!(spool.open_file(&one).unwrap().is_some());
    spool.imported(&one);
    assert_eq!(spool.sweep(now), 0, "imported");
    assert!(spool.get(&one).is_none() && spool.get(&two).is_some());
    assert_eq!(spool.sweep(now + DAY), 1);
    assert_eq!(files(&spool), 0);
}
