//! Commands over a whole storage.

use std::{
    fs,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rns_cache::{BinaryCache as _, WritableCache as _};
use rns_formats::{Compression, KeyName, SecretKey, Sha256Digest};
use rns_storage::{
    index::{Exclusive, IndexedNar, NarState, PathState},
    maintenance::{FaultKind, Verified, VerifyOptions, rebuild_index, sign, verify},
    objects::ObjectKey,
};
use rns_testing::Standard;
use tokio::time::{sleep, timeout};

use crate::support::{Fixture, Place, name_of, packed};

const QUIET: &(dyn Fn(u64) + Send + Sync) = &|_| {};

async fn filled() -> (Fixture, Standard) {
    let (fixture, standard) = (Fixture::new(Place::Directory).await.unwrap(), Standard::new());
    for path in [&standard.dep, &standard.top, &standard.itself, &standard.blob] {
        fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
    }
    (fixture, standard)
}

fn kinds(verified: &Verified) -> Vec<&FaultKind> {
    verified.faults.iter().map(|fault| &fault.kind).collect()
}

const WHOLE: VerifyOptions = VerifyOptions { contents: true, repair: false };

#[tokio::test]
async fn a_sound_storage_has_no_faults() {
    let (fixture, _) = filled().await;
    let verified = verify(&fixture.storage, WHOLE, QUIET).await.unwrap();
    assert_eq!((verified.paths, kinds(&verified)), (4, Vec::new()));
}

#[tokio::test]
async fn a_lost_index_is_made_again() {
    let (fixture, standard) = filled().await;
    let storage = fixture.with_new_index();
    let found = verify(&storage, VerifyOptions::default(), QUIET).await.unwrap();
    assert_eq!(kinds(&found), [&FaultKind::NotIndexed; 4]);
    let done = rebuild_index(&storage, QUIET).await.unwrap();
    assert_eq!((done.paths, done.removed, done.unusable), (4, 0, 0));
    assert!(kinds(&verify(&storage, WHOLE, QUIET).await.unwrap()).is_empty());

    let gone = fixture.directory.join(format!("{}.narinfo", standard.blob.hash_part()));
    fs::remove_file(gone).unwrap();
    assert_eq!(rebuild_index(&storage, QUIET).await.unwrap().removed, 1);
}

/// How long an order gets to do something that it must not do.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_path_that_is_changed_while_the_index_is_made_again_stays() {
    let (fixture, standard) = filled().await;
    let (storage, hash) = (&fixture.storage, standard.blob.hash_part());
    let file = fixture.directory.join(format!("{hash}.narinfo"));
    let text = fs::read(&file).unwrap();
    // A pusher holds the path, and its narinfo is not written yet.
    let pushing = storage.index().lock(Exclusive::Path(&hash)).await.unwrap();
    fs::remove_file(&file).unwrap();
    let writing = async {
        sleep(A_WHILE).await;
        fs::write(&file, text).unwrap();
        drop(pushing);
    };
    let (rebuilt, ()) = tokio::join!(rebuild_index(storage, QUIET), writing);
    assert_eq!(rebuilt.unwrap().removed, 0);
    assert_eq!(storage.index().states(&[hash]).await.unwrap(), [Some(PathState::Published)]);
}

#[tokio::test]
async fn an_index_is_made_again_while_nothing_is_collected() {
    let (fixture, _) = filled().await;
    let storage = &fixture.storage;
    let collecting = storage.index().lock_collection().await.unwrap().unwrap();
    let mut rebuilding = pin!(rebuild_index(storage, QUIET));
    assert!(timeout(A_WHILE, &mut rebuilding).await.is_err(), "it waits for its end");
    drop(collecting);
    assert_eq!(rebuilding.await.unwrap().paths, 4);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_withdrawn_with_what_refers_to_it() {
    let (fixture, standard) = filled().await;
    let record = fixture.storage.path_info(standard.dep.hash_part()).await.unwrap().unwrap();
    let file = fixture.directory.join(&record.offer.url);
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let quick = verify(&fixture.storage, VerifyOptions::default(), QUIET).await.unwrap();
    assert!(kinds(&quick).is_empty(), "its length is right");
    let found = verify(&fixture.storage, WHOLE, QUIET).await.unwrap();
    assert!(matches!(kinds(&found)[..], [FaultKind::Altered(_)]), "{found:?}");

    let repaired = verify(&fixture.storage, VerifyOptions { contents: true, repair: true }, QUIET)
        .await
        .unwrap();
    assert_eq!(repaired.withdrawn, 3, "dep, and top and itself, which refer to it");
    assert!(fixture.storage.path_info(standard.top.hash_part()).await.unwrap().is_none());
    assert!(kinds(&verify(&fixture.storage, WHOLE, QUIET).await.unwrap()).is_empty());
    for path in [&standard.dep, &standard.top] {
        fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
    }
}

#[tokio::test]
async fn nars_that_no_path_has_are_named_and_removed_after_a_day() {
    let (fixture, standard) = filled().await;
    let (info, nar) = (standard.store.info(&standard.tree), standard.store.nar(&standard.tree));
    let [old, young] = [0_u8, 1].map(|number| {
        let nar = [&nar[..], &[number]].concat();
        packed(info, &nar, Compression::None)
    });
    for (narinfo, file) in [&old, &young] {
        fixture.write(&narinfo.url, file.clone()).await;
    }
    // A push has begun with this one.
    let (known, file) = packed(info, &nar, Compression::None);
    fixture.upload(&name_of(&known), &file).await.unwrap();
    for url in [&old.0.url, &known.url] {
        let file = fs::File::options().write(true).open(fixture.directory.join(url)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(48 * 3600)).unwrap();
    }
    let found = verify(&fixture.storage, VerifyOptions::default(), QUIET).await.unwrap();
    assert_eq!((kinds(&found), found.unmended), (vec![&FaultKind::OrphanedNar], 1));
    assert_eq!(found.faults[0].object, old.0.url);
    let repair = VerifyOptions { contents: false, repair: true };
    let done = verify(&fixture.storage, repair, QUIET).await.unwrap();
    assert_eq!((done.faults.len(), done.unmended), (1, 0));
    let is_there = |url: &str| fixture.directory.join(url).exists();
    assert!(!is_there(&old.0.url) && is_there(&young.0.url) && is_there(&known.url));
    assert!(kinds(&verify(&fixture.storage, WHOLE, QUIET).await.unwrap()).is_empty());
}

#[tokio::test]
async fn a_nar_that_is_being_uploaded_is_no_orphan() {
    let (fixture, standard) = filled().await;
    let (info, nar) = (standard.store.info(&standard.tree), standard.store.nar(&standard.tree));
    let (narinfo, file) = packed(info, &nar, Compression::None);
    fixture.write(&narinfo.url, file.clone()).await;
    let path = fixture.directory.join(&narinfo.url);
    let old = fs::File::options().write(true).open(&path).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(48 * 3600)).unwrap();
    let (index, name) = (Arc::clone(fixture.storage.index()), name_of(&narinfo));
    let key = ObjectKey::nar(&name);
    // A pusher stores the same file, and the repair claims the old one meanwhile.
    let pushing = index.lock(Exclusive::Nar(&key)).await.unwrap();
    assert!(index.begin_nar(&key).await.unwrap());
    let repair = VerifyOptions { contents: false, repair: true };
    let repairing = verify(&fixture.storage, repair, QUIET);
    let storing = async {
        while index.nar_state(&key).await.unwrap() != Some(NarState::Deleting) {
            sleep(Duration::from_millis(5)).await;
        }
        fixture.write(&narinfo.url, file.clone()).await;
        let (digest, size) = (Sha256Digest::of(&file), file.len() as u64);
        let stored =
            IndexedNar { file_hash: digest, file_size: size, nar_hash: digest, nar_size: size };
        index.put_nar(&key, &stored).await.unwrap();
        drop(pushing);
    };
    let (repaired, ()) = tokio::join!(repairing, storing);
    repaired.unwrap();
    assert!(path.exists());
    assert!(fixture.storage.promise_nar(&name).await.unwrap());
}

#[tokio::test]
async fn a_truncated_nar_is_found_by_its_length() {
    let (fixture, standard) = filled().await;
    let record = fixture.storage.path_info(standard.blob.hash_part()).await.unwrap().unwrap();
    fs::write(fixture.directory.join(&record.offer.url), b"short").unwrap();
    let found = verify(&fixture.storage, VerifyOptions::default(), QUIET).await.unwrap();
    assert!(matches!(kinds(&found)[..], [FaultKind::Truncated { found: 5, .. }]), "{found:?}");
}

#[tokio::test]
async fn a_new_key_signs_everything_once() {
    let (fixture, standard) = filled().await;
    // A throw-away key.
    let key = SecretKey::from_seed(KeyName::parse("again-1").unwrap(), &[7; 32]);
    let done = sign(&fixture.storage, std::slice::from_ref(&key), QUIET).await.unwrap();
    assert_eq!((done.signed, done.unchanged), (4, 0));
    let done = sign(&fixture.storage, std::slice::from_ref(&key), QUIET).await.unwrap();
    assert_eq!((done.signed, done.unchanged), (0, 4));
    let record = fixture.storage.path_info(standard.top.hash_part()).await.unwrap().unwrap();
    let fingerprint = record.info.fingerprint(fixture.storage.store_dir());
    let public = key.public_key();
    assert!(record.info.signatures.iter().any(|one| public.verify(&fingerprint, one)));
}
