//! NARs that lay in the storage before anything was pushed: verified when a narinfo names them, and kept from then on.

use std::time::Duration;

use futures_util::future::join_all;
use rns_cache::{BinaryCache as _, Published, WritableCache as _};
use rns_formats::{Compression, NarInfo};
use rns_storage::{
    index::{Claim, Exclusive, PathState, RowKind},
    objects::ObjectKey,
    write::PushView,
};
use rns_testing::{FixtureStore, Standard, Tree};

use crate::support::{Fixture, name_of, packed, pusher};

/// Puts the file of a NAR into the storage. Returns the narinfo of its path, and its key.
async fn with_a_nar(fixture: &Fixture, standard: &Standard) -> (NarInfo, ObjectKey) {
    let (info, nar) = (standard.store.info(&standard.blob), standard.store.nar(&standard.blob));
    let (narinfo, file) = packed(info, &nar, Compression::Zstd);
    let key = ObjectKey::nar(&name_of(&narinfo));
    fixture.write(key.as_str(), file).await;
    (narinfo, key)
}

pub(crate) async fn what_lay_there_before_is_verified_when_it_is_needed(fixture: Fixture) {
    let standard = Standard::new();
    fixture.push(standard.store.info(&standard.dep), &standard.store.nar(&standard.dep)).await;
    // An index that knows nothing of it.
    let storage = fixture.with_new_index();
    let (info, nar) = (standard.store.info(&standard.top), standard.store.nar(&standard.top));
    let (narinfo, file) = packed(info, &nar, Compression::Zstd);
    fixture.upload(&name_of(&narinfo), &file).await.unwrap();
    assert_eq!(storage.publish(&narinfo, &pusher()).await.unwrap(), Published::New);
    let states = storage.index().states(&[standard.dep.hash_part()]).await.unwrap();
    assert_eq!(states, [Some(PathState::Published)]);
}

pub(crate) async fn a_nar_is_verified_before_its_path_is_locked(fixture: Fixture) {
    let standard = Standard::new();
    let (narinfo, key) = with_a_nar(&fixture, &standard).await;
    let (index, who) = (fixture.storage.index(), pusher());
    let held = index.lock(Exclusive::Path(&standard.blob.hash_part())).await.unwrap();
    let verified = async {
        while index.nar(&key).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(held);
    };
    let publishing = async { tokio::join!(fixture.storage.publish(&narinfo, &who), verified) };
    let published = tokio::time::timeout(Duration::from_secs(60), publishing).await;
    assert_eq!(published.expect("it needs no lock").0.unwrap(), Published::New);
}

/// A proxy may wait for less time than a large NAR takes; the client asks again.
pub(crate) async fn a_nar_is_verified_though_its_client_leaves(fixture: Fixture) {
    let standard = Standard::new();
    let (narinfo, key) = with_a_nar(&fixture, &standard).await;
    let (index, who) = (fixture.storage.index(), pusher());
    let held = index.lock(Exclusive::Nar(&key)).await.unwrap();
    let publishing = fixture.storage.publish(&narinfo, &who);
    let left = tokio::time::timeout(Duration::from_millis(200), publishing).await;
    assert!(left.is_err(), "the last step waits for the lock");
    drop(held);
    let verified = async {
        while index.nar(&key).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let verified = tokio::time::timeout(Duration::from_secs(60), verified).await;
    verified.expect("the work goes on");
    assert_eq!(fixture.storage.publish(&narinfo, &who).await.unwrap(), Published::New);
}

pub(crate) async fn a_nar_that_lay_there_before_stays_once_a_pusher_knows_of_it(fixture: Fixture) {
    let standard = Standard::new();
    let (narinfo, key) = with_a_nar(&fixture, &standard).await;
    let view = PushView::new(fixture.storage.clone(), Vec::new());
    let index = fixture.storage.index();
    // A collector removes a NAR that no path has.
    let claim = Claim::new();
    let claimed = index.claim_orphans(std::slice::from_ref(&key), &claim).await.unwrap().remove(0);
    assert!(view.nar(&name_of(&narinfo)).await.unwrap().is_none(), "it is about to go");
    index.end_claims(RowKind::Nars, &[claimed.id], &claim).await.unwrap();
    for _ in 0..2 {
        assert!(view.nar(&name_of(&narinfo)).await.unwrap().is_some());
        assert_eq!(
            index.claim_orphans(std::slice::from_ref(&key), &claim).await.unwrap(),
            [],
            "it stays"
        );
    }
    assert_eq!(fixture.storage.publish(&narinfo, &pusher()).await.unwrap(), Published::New);
    // One that is not there is not entered either.
    fixture.storage.delete(standard.blob.hash_part(), &pusher()).await.unwrap();
    assert!(view.nar(&name_of(&narinfo)).await.unwrap().is_none());
    assert_eq!(index.nar_state(&key).await.unwrap(), None);
}

/// A client that repeats itself, or many clients, cost one look at a large file.
pub(crate) async fn a_wrong_nar_is_read_once_for_all_who_wait(fixture: Fixture) {
    let standard = Standard::new();
    let (narinfo, key) = with_a_nar(&fixture, &standard).await;
    // It is read for so long that all ask meanwhile.
    let mut store = FixtureStore::new();
    let large = store.add("large", Tree::file(vec![0; 15 << 20]));
    let mut wrong = zstd::encode_all(&*store.nar(&large), 1).unwrap();
    wrong.extend_from_slice(b"another file");
    fixture.write(key.as_str(), wrong).await;
    let who = pusher();
    let publishing = (0..8).map(|_| fixture.storage.publish(&narinfo, &who));
    let refused = join_all(publishing).await.into_iter().map(|done| done.unwrap_err().to_string());
    let refused: Vec<String> = refused.collect();
    assert!(refused.iter().all(|why| why.contains("send it again")), "{refused:?}");
    let by_another_look = refused.iter().filter(|why| why.contains("it was just read")).count();
    assert_eq!(by_another_look, 7, "{refused:?}");
}
