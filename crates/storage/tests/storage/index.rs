//! The suite of all indexes, over SQLite and PostgreSQL.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rns_cache::Pusher;
use rns_formats::{Sha256Digest, StorePath};
use rns_storage::{
    index::{
        Claim, ClaimOutcome, Exclusive, ImportedPath, Index, IndexedNar, NewPath, PathState,
        PublishRefusal, postgres::PostgresIndex, sqlite::SqliteIndex,
    },
    objects::ObjectKey,
};
use rns_testing::{PostgresServer, Scratch};
use tokio::time::timeout;

pub(crate) fn nar(number: u64) -> (ObjectKey, IndexedNar) {
    let digest = Sha256Digest::of(&number.to_be_bytes());
    let key = ObjectKey::listed(&format!("nar/{}.nar", digest.to_nix32()));
    let nar = IndexedNar {
        file_hash: digest,
        file_size: number,
        nar_hash: Sha256Digest::of(b"nar"),
        nar_size: u64::from(u32::MAX) * 3,
    };
    (key, nar)
}

pub(crate) fn path(number: u64) -> StorePath {
    StorePath::parse(&format!("{number:032}-path")).unwrap()
}

pub(crate) fn derivation(number: u64) -> StorePath {
    StorePath::parse(&format!("{number:032}-path.drv")).unwrap()
}

pub(crate) fn new(number: u64, references: &[u64]) -> NewPath {
    NewPath {
        path: path(number),
        nar: nar(number).0,
        nar_size: 1000,
        file_size: 100,
        references: references.iter().copied().map(path).collect(),
        deriver: None,
        elsewhere: Vec::new(),
    }
}

pub(crate) async fn publish(
    index: &dyn Index,
    number: u64,
    references: &[u64],
) -> Option<PublishRefusal> {
    let (key, facts) = nar(number);
    index.put_nar(&key, &facts).await.unwrap();
    let refusal = index.begin_publish(&new(number, references), None).await.unwrap();
    if refusal.is_none() {
        index.end_publish(&path(number).hash_part(), None).await.unwrap();
    }
    refusal
}

pub(crate) async fn state(index: &dyn Index, number: u64) -> Option<PathState> {
    index.states(&[path(number).hash_part()]).await.unwrap()[0]
}

async fn suite(index: &dyn Index) {
    index.check().await.unwrap();
    what_is_noted_of_a_nar_comes_back(index).await;
    a_path_is_published_only_with_what_it_needs(index).await;
    who_published_is_remembered(index).await;
    of_two_nars_for_one_path_the_first_is_published(index).await;
    what_is_forgotten_stays_known_where_it_is_needed(index).await;
    imported_paths_come_in_any_order(index).await;
    an_import_takes_no_reference_from_a_published_path(index).await;
    a_push_that_was_cut_off_is_on_record(index).await;
    one_at_a_time_changes_a_path(index).await;
}

async fn what_is_noted_of_a_nar_comes_back(index: &dyn Index) {
    let (key, facts) = nar(1);
    assert_eq!(index.nar(&key).await.unwrap(), None);
    assert!(!index.touch_nar(&key).await.unwrap());
    for _ in 0..2 {
        index.put_nar(&key, &facts).await.unwrap();
        assert_eq!(index.nar(&key).await.unwrap(), Some(facts));
    }
    assert!(index.touch_nar(&key).await.unwrap());
}

async fn a_path_is_published_only_with_what_it_needs(index: &dyn Index) {
    let refused = index.begin_publish(&new(2, &[]), None).await.unwrap();
    assert_eq!(refused, Some(PublishRefusal::MissingNar));
    let refused = publish(index, 2, &[1, 3]).await;
    assert_eq!(refused, Some(PublishRefusal::MissingReferences(vec![path(1), path(3)])));
    assert_eq!(state(index, 2).await, None, "nothing of it is entered");
    assert_eq!(publish(index, 1, &[]).await, None);
    assert_eq!(state(index, 1).await, Some(PathState::Published));

    let mut with_upstream = new(2, &[1, 3]);
    with_upstream.elsewhere.push(path(3).hash_part());
    assert_eq!(index.begin_publish(&with_upstream, None).await.unwrap(), None);
    assert_eq!(state(index, 2).await, Some(PathState::Publishing));
    assert_eq!(state(index, 3).await, Some(PathState::Elsewhere));
    assert!(!index.touch_path(&path(2).hash_part()).await.unwrap(), "it is not visible yet");
    index.end_publish(&path(2).hash_part(), None).await.unwrap();
    assert!(index.touch_path(&path(2).hash_part()).await.unwrap());
    // Again, as a client does that was cut off.
    let refused = index.begin_publish(&with_upstream, None).await.unwrap();
    assert_eq!(refused, Some(PublishRefusal::AlreadyPublished));
    assert_eq!(state(index, 2).await, Some(PathState::Published), "what is visible stays so");
    let known = index.published_after(None, 10).await.unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(known[0], (path(1).hash_part(), nar(1).0));
    assert_eq!(index.published_after(Some(&known[0].0), 10).await.unwrap().len(), 1);
    index.note_reads(&[path(1).hash_part(), path(99).hash_part()]).await.unwrap();
}

async fn of_two_nars_for_one_path_the_first_is_published(index: &dyn Index) {
    let other = NewPath { nar: nar(6).0, ..new(5, &[]) };
    for number in [5, 6] {
        let (key, facts) = nar(number);
        index.put_nar(&key, &facts).await.unwrap();
    }
    assert_eq!(index.begin_publish(&new(5, &[]), None).await.unwrap(), None);
    assert_eq!(index.begin_publish(&other, None).await.unwrap(), Some(PublishRefusal::Busy));
    // The same pusher, or another with the same NAR, goes on where the first was cut off.
    assert_eq!(index.begin_publish(&new(5, &[]), None).await.unwrap(), None);
    index.end_publish(&path(5).hash_part(), None).await.unwrap();
    let refused = index.begin_publish(&other, None).await.unwrap();
    assert_eq!(refused, Some(PublishRefusal::AlreadyPublished));
    let known = index.published_after(Some(&path(4).hash_part()), 1).await.unwrap();
    assert_eq!(known, [(path(5).hash_part(), nar(5).0)]);
}

/// An older narinfo of a published path takes none of its references from it: they would go.
async fn an_import_takes_no_reference_from_a_published_path(index: &dyn Index) {
    assert_eq!(publish(index, 80, &[]).await, None);
    assert_eq!(publish(index, 81, &[80]).await, None);
    let (_, facts) = nar(81);
    let imported = ImportedPath { path: new(81, &[]), nar: facts, stored: SystemTime::now() };
    assert!(index.import(&[imported]).await.unwrap().is_empty());
    assert_eq!(index.referrers(&path(80).hash_part(), 10).await.unwrap(), [path(81)]);
}

async fn a_push_that_was_cut_off_is_on_record(index: &dyn Index) {
    let who = |name: &str| Pusher { name: name.to_owned(), address: None };
    let (key, facts) = nar(40);
    index.put_nar(&key, &facts).await.unwrap();
    let hash = path(40).hash_part();
    let names = async || {
        let pushes = index.pushes(&hash).await.unwrap();
        pushes.into_iter().map(|push| (push.pusher.name, push.is_confirmed)).collect::<Vec<_>>()
    };
    for name in ["first", "second"] {
        assert_eq!(index.begin_publish(&new(40, &[]), Some(&who(name))).await.unwrap(), None);
        assert_eq!(names().await, [(name.to_owned(), false)], "the first one came to nothing");
    }
    // Its narinfo became visible before the server was killed.
    let imported = ImportedPath { path: new(40, &[]), nar: facts, stored: SystemTime::now() };
    index.import(&[imported]).await.unwrap();
    assert_eq!(names().await, [("second".to_owned(), true)]);
    index.end_publish(&hash, Some(&who("third"))).await.unwrap();
    assert_eq!(names().await, [("third".to_owned(), true), ("second".to_owned(), true)]);
}

async fn one_at_a_time_changes_a_path(index: &dyn Index) {
    let hash = path(50).hash_part();
    let key = nar(50).0;
    let held = index.lock(Exclusive::Path(&hash)).await.unwrap();
    // One who holds a path may ask for a NAR.
    drop(index.lock(Exclusive::Nar(&key)).await.unwrap());
    let mut waiting = pin!(index.lock(Exclusive::Path(&hash)));
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "it is held");
    drop(held);
    drop(waiting.await.unwrap());
    drop(index.lock(Exclusive::Path(&hash)).await.unwrap());
}

async fn who_published_is_remembered(index: &dyn Index) {
    let pusher = |name: &str, address: Option<&str>| Pusher {
        name: name.to_owned(),
        address: address.map(ToOwned::to_owned),
    };
    for who in [pusher("token ci", Some("2001:db8::1")), pusher("anonymous", None)] {
        publish(index, 4, &[]).await;
        index.end_publish(&path(4).hash_part(), Some(&who)).await.unwrap();
    }
    let pushes = index.pushes(&path(4).hash_part()).await.unwrap();
    let names: Vec<_> = pushes.iter().map(|push| push.pusher.name.as_str()).collect();
    assert_eq!(names, ["anonymous", "token ci"], "the latest first");
    assert!(pushes.iter().all(|push| push.at.elapsed().is_ok_and(|age| age.as_secs() < 3600)));
    assert_eq!(index.pushes(&path(1).hash_part()).await.unwrap().len(), 0);
}

async fn what_is_forgotten_stays_known_where_it_is_needed(index: &dyn Index) {
    let claim = Claim::new();
    let taken = index.claim_nar(&nar(1).0, &claim).await.unwrap();
    assert_eq!(taken, ClaimOutcome::Needed, "a path has it");
    index.forget_path(&path(1).hash_part()).await.unwrap();
    assert_eq!(state(index, 1).await, Some(PathState::Elsewhere), "path 2 refers to it");
    assert!(matches!(index.claim_nar(&nar(1).0, &claim).await.unwrap(), ClaimOutcome::Claimed(_)));
    index.forget_path(&path(4).hash_part()).await.unwrap();
    assert_eq!(state(index, 4).await, None);
    assert_eq!(
        index.pushes(&path(4).hash_part()).await.unwrap().len(),
        2,
        "the log is only added to"
    );
}

async fn imported_paths_come_in_any_order(index: &dyn Index) {
    let imported = |number, references: &[u64]| ImportedPath {
        path: new(number, references),
        nar: nar(number).1,
        stored: SystemTime::now(),
    };
    index.import(&[imported(11, &[10, 12]), imported(10, &[])]).await.unwrap();
    assert_eq!(state(index, 10).await, Some(PathState::Published));
    assert_eq!(state(index, 12).await, Some(PathState::Elsewhere));
    index.import(&[imported(12, &[])]).await.unwrap();
    assert_eq!(state(index, 12).await, Some(PathState::Published));
}

#[tokio::test]
async fn sqlite() {
    let scratch = Scratch::new();
    suite(&SqliteIndex::new(scratch.join("index.sqlite"), true)).await;
    // The written rows are there for the next process.
    let again = SqliteIndex::new(scratch.join("index.sqlite"), true);
    assert_eq!(state(&again, 12).await, Some(PathState::Published));
}

#[tokio::test]
async fn postgres() {
    let Some(mut server) = PostgresServer::start() else { return };
    let index = PostgresIndex::new(&server.url()).unwrap();
    suite(&index).await;
    server.stop();
    assert!(index.check().await.is_err(), "an outage is an error");
    server.restart();
    assert_eq!(state(&index, 12).await, Some(PathState::Published), "connections come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_make_the_tables_once() {
    let Some(server) = PostgresServer::start() else { return };
    let indexes: Vec<Arc<PostgresIndex>> =
        (0..4).map(|_| Arc::new(PostgresIndex::new(&server.url()).unwrap())).collect();
    let tasks: Vec<_> = indexes
        .into_iter()
        .map(|index| {
            tokio::spawn(async move { index.check().await.map_err(|error| error.to_string()) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}
