//! The effects of a collector on an index, over SQLite and PostgreSQL: nothing that is needed can be claimed, in any order.

use std::time::{Duration, SystemTime};

use rns_cache::{Pusher, RootRevision};
use rns_formats::RootName;
use rns_storage::index::{
    Claim, ClaimOutcome, Exclusive, Index, IndexedPathRow, NarState, PathState, PublishRefusal,
    RemovalOrder, RowKind, Unused, postgres::PostgresIndex, sqlite::SqliteIndex,
};
use rns_testing::{PostgresServer, Scratch};

use crate::index::{nar, new, path, publish, state};

/// No row.
const NONE: [i64; 0] = [];

/// Everything that there is now is old by then.
pub(crate) fn everything() -> Unused {
    let later = SystemTime::now() + Duration::from_secs(3600);
    Unused { untouched_since: later, unread_since: later }
}

/// Only paths that were never touched.
fn nothing() -> Unused {
    let before = SystemTime::now() - Duration::from_secs(3600);
    Unused { untouched_since: before, unread_since: before }
}

async fn rows(index: &dyn Index) -> Vec<IndexedPathRow> {
    index.snapshot().await.unwrap().paths(0).await.unwrap()
}

/// Condemns a path that nothing needs, or whose referrers are condemned.
pub(crate) async fn condemn(index: &dyn Index, number: u64) {
    let row = [id(index, number).await];
    assert_eq!(index.condemn(RowKind::Paths, &row, everything()).await.unwrap(), row, "{number}");
}

async fn id(index: &dyn Index, number: u64) -> i64 {
    let ids: Vec<i64> = rows(index).await.iter().map(|row| row.id).collect();
    let paths = index.paths(&ids).await.unwrap();
    paths.into_iter().find(|(_, found)| *found == path(number)).unwrap().0
}

async fn suite(index: &dyn Index) {
    what_is_condemned_is_there_until_it_is_claimed(index).await;
    referrers_go_before_what_they_refer_to(index).await;
    what_is_young_or_used_stays(index).await;
    a_claim_ends_only_for_its_holder(index).await;
    a_nar_goes_after_its_paths(index).await;
    a_nar_that_arrives_is_not_there_yet(index).await;
    what_arrives_is_counted_when_it_is_there(index).await;
    a_path_that_a_root_names_stays_until_the_root_expires(index).await;
    an_order_is_noted(index).await;
    a_snapshot_is_of_one_moment(index).await;
    one_collects_at_a_time(index).await;
}

async fn what_is_condemned_is_there_until_it_is_claimed(index: &dyn Index) {
    publish(index, 1, &[]).await;
    publish(index, 2, &[1]).await;
    let (dep, top) = (id(index, 1).await, id(index, 2).await);
    assert_eq!(index.condemn(RowKind::Paths, &[dep], everything()).await.unwrap(), NONE);
    assert_eq!(index.condemn(RowKind::Paths, &[top], everything()).await.unwrap(), [top]);
    assert_eq!(index.condemn(RowKind::Paths, &[dep], everything()).await.unwrap(), [dep]);
    assert_eq!(state(index, 1).await, Some(PathState::Condemned));
    // A pusher is told that it is there: it stays.
    assert!(index.touch_path(&path(2).hash_part()).await.unwrap());
    assert_eq!(state(index, 2).await, Some(PathState::Published));
    // Something is published that refers to it.
    assert_eq!(publish(index, 3, &[1]).await, None);
    assert_eq!(state(index, 1).await, Some(PathState::Published));
    // It is pushed again.
    index.condemn(RowKind::Paths, &[top], everything()).await.unwrap();
    let again = index.begin_publish(&new(2, &[1]), None).await.unwrap();
    assert_eq!(again, Some(PublishRefusal::AlreadyPublished));
    assert_eq!(state(index, 2).await, Some(PathState::Published));
    index.condemn(RowKind::Paths, &[top], everything()).await.unwrap();
    index.revive(&[top]).await.unwrap();
    assert_eq!(state(index, 2).await, Some(PathState::Published));
}

async fn referrers_go_before_what_they_refer_to(index: &dyn Index) {
    let ids = [id(index, 3).await, id(index, 2).await, id(index, 1).await];
    for one in ids {
        assert_eq!(index.condemn(RowKind::Paths, &[one], everything()).await.unwrap(), [one]);
    }
    let claim = Claim::new();
    // The narinfos of its referrers are visible: condemned ones, and those that are just being removed.
    let claimed = index.claim(RowKind::Paths, &ids[2..], everything(), &claim).await.unwrap();
    assert!(claimed.is_empty());
    let claimed = index.claim(RowKind::Paths, &ids, everything(), &claim).await.unwrap();
    let names: Vec<_> = claimed.iter().map(|claimed| claimed.name.clone()).collect();
    let hash = |number| path(number).hash_part().to_string();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&hash(2)) && names.contains(&hash(3)), "{names:?}");
    assert!(!index.touch_path(&path(2).hash_part()).await.unwrap(), "it is told to no pusher");
    let refused = index.begin_publish(&new(2, &[]), None).await.unwrap();
    assert_eq!(refused, Some(PublishRefusal::Deleting));
    let refused = publish(index, 4, &[2]).await;
    assert_eq!(refused, Some(PublishRefusal::MissingReferences(vec![path(2)])));
    index.end_claims(RowKind::Paths, &ids[..2], &claim).await.unwrap();
    assert_eq!(state(index, 2).await, None);
    let claimed = index.claim(RowKind::Paths, &ids[2..], everything(), &claim).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].file_size, 100);
    index.end_claims(RowKind::Paths, &ids, &claim).await.unwrap();
    assert!(rows(index).await.is_empty());
    // All of it can be pushed again.
    publish(index, 1, &[]).await;
    assert_eq!(publish(index, 2, &[1]).await, None);
}

async fn what_is_young_or_used_stays(index: &dyn Index) {
    let top = [id(index, 2).await];
    assert_eq!(index.condemn(RowKind::Paths, &top, nothing()).await.unwrap(), NONE);
    let touched_long_ago = Unused { unread_since: nothing().unread_since, ..everything() };
    assert_eq!(index.condemn(RowKind::Paths, &top, touched_long_ago).await.unwrap(), top);
    // It is read.
    index.note_reads(&[path(2).hash_part()]).await.unwrap();
    let claim = Claim::new();
    let claimed = index.claim(RowKind::Paths, &top, touched_long_ago, &claim).await.unwrap();
    assert!(claimed.is_empty());
    assert!(index.claim(RowKind::Paths, &top, nothing(), &claim).await.unwrap().is_empty());
    index.revive(&top).await.unwrap();
    assert_eq!(index.condemn(RowKind::Paths, &top, touched_long_ago).await.unwrap(), NONE);
}

async fn a_claim_ends_only_for_its_holder(index: &dyn Index) {
    let top = [id(index, 2).await];
    index.condemn(RowKind::Paths, &top, everything()).await.unwrap();
    let (first, second) = (Claim::new(), Claim::new());
    assert_eq!(index.claim(RowKind::Paths, &top, everything(), &first).await.unwrap().len(), 1);
    // The answer to the first order was lost.
    assert_eq!(index.claim(RowKind::Paths, &top, everything(), &first).await.unwrap().len(), 1);
    assert!(index.claim(RowKind::Paths, &top, everything(), &second).await.unwrap().is_empty());
    let hash = path(2).hash_part();
    let who = admin();
    let order = RemovalOrder { who: &who, even_rooted: false };
    assert_eq!(index.claim_path(&hash, &second, order).await.unwrap(), ClaimOutcome::Busy);
    assert_eq!(index.claim_ended(&hash, &second).await.unwrap(), ClaimOutcome::Busy);
    index.end_claims(RowKind::Paths, &top, &second).await.unwrap();
    index.give_back(RowKind::Paths, &top, &second).await.unwrap();
    assert_eq!(state(index, 2).await, Some(PathState::Deleting));
    // A collector that has died may have removed it before: a row that is given back is not there, and the next one goes on.
    index.give_back(RowKind::Paths, &top, &first).await.unwrap();
    assert!(!index.touch_path(&hash).await.unwrap(), "it is told to no pusher");
    let refused = index.begin_publish(&new(2, &[1]), None).await.unwrap();
    assert_eq!(refused, Some(PublishRefusal::Deleting));
    assert_eq!(state(index, 2).await, Some(PathState::Deleting));
    let taken = index.claim_ended(&hash, &second).await.unwrap();
    assert!(matches!(taken, ClaimOutcome::Claimed(_)), "{taken:?}");
    index.give_back(RowKind::Paths, &top, &second).await.unwrap();
    let third = Claim::new();
    assert_eq!(index.claim(RowKind::Paths, &top, everything(), &third).await.unwrap().len(), 1);
    index.end_claims(RowKind::Paths, &top, &third).await.unwrap();
    assert_eq!(state(index, 2).await, None);
    assert_eq!(publish(index, 2, &[1]).await, None);
}

async fn a_nar_goes_after_its_paths(index: &dyn Index) {
    let (key, facts) = nar(2);
    let ids: Vec<i64> =
        index.snapshot().await.unwrap().nars(0).await.unwrap().iter().map(|nar| nar.id).collect();
    // NARs of the paths that went.
    let condemned = index.condemn(RowKind::Nars, &ids, everything()).await.unwrap();
    assert_eq!(condemned.len(), ids.len() - 2, "those of two paths stay");
    let claim = Claim::new();
    assert_eq!(index.claim_nar(&key, &claim).await.unwrap(), ClaimOutcome::Needed);
    assert!(index.claim(RowKind::Nars, &ids, nothing(), &claim).await.unwrap().is_empty());
    // One of them is uploaded, or told to a pusher.
    let other = nar(3).0;
    assert!(index.touch_nar(&other).await.unwrap());
    assert_eq!(index.nar_state(&other).await.unwrap(), Some(NarState::Live));
    index.condemn(RowKind::Nars, &ids, everything()).await.unwrap();
    let claimed = index.claim(RowKind::Nars, &ids, everything(), &claim).await.unwrap();
    assert_eq!(claimed.len(), condemned.len());
    assert!(!index.touch_nar(&other).await.unwrap());
    assert_eq!(index.nar(&other).await.unwrap(), None);
    assert!(!index.begin_nar(&other).await.unwrap(), "it is being removed");
    assert_eq!(
        index.claim_orphans(std::slice::from_ref(&other), &claim).await.unwrap(),
        [],
        "it is known"
    );
    index.end_claims(RowKind::Nars, &ids, &claim).await.unwrap();
    assert_eq!(index.nar_state(&other).await.unwrap(), None);
    assert_eq!(index.nar(&key).await.unwrap(), Some(facts));
}

async fn a_nar_that_arrives_is_not_there_yet(index: &dyn Index) {
    let (key, facts) = nar(30);
    assert!(index.begin_nar(&key).await.unwrap());
    assert!(!index.touch_nar(&key).await.unwrap(), "it is not there yet");
    assert!(index.keep_nar(&key).await.unwrap());
    assert_eq!(index.nar_state(&key).await.unwrap(), Some(NarState::Arriving));
    assert!(!index.touch_nar(&key).await.unwrap(), "no pusher is told that it is there");
    assert_eq!(index.nar(&key).await.unwrap(), None);
    let ids: Vec<i64> =
        index.snapshot().await.unwrap().nars(0).await.unwrap().iter().map(|nar| nar.id).collect();
    assert_eq!(index.condemn(RowKind::Nars, &ids, nothing()).await.unwrap(), NONE);
    index.put_nar(&key, &facts).await.unwrap();
    assert!(index.touch_nar(&key).await.unwrap());
    assert!(index.begin_nar(&key).await.unwrap(), "another pusher has it too");
    assert_eq!(index.nar_state(&key).await.unwrap(), Some(NarState::Live));
    // An object that no index knows is claimed by a row of its own.
    let unknown = nar(31).0;
    let claim = Claim::new();
    let both = [key.clone(), unknown.clone()];
    assert_eq!(index.unknown_nars(both.to_vec()).await.unwrap(), both[1..]);
    let claimed = index.claim_orphans(&both, &claim).await.unwrap();
    assert_eq!(claimed.len(), 1, "the other one is known");
    let claimed = &claimed[0];
    assert_eq!(index.unknown_nars(both.to_vec()).await.unwrap(), []);
    assert!(!index.begin_nar(&unknown).await.unwrap());
    index.end_claims(RowKind::Nars, &[claimed.id], &claim).await.unwrap();
    assert_eq!(index.nar_state(&unknown).await.unwrap(), None);
    // One that is given back is not there, since it may have been removed before; it can be stored again.
    let claimed =
        index.claim_orphans(std::slice::from_ref(&unknown), &claim).await.unwrap().remove(0);
    index.give_back(RowKind::Nars, &[claimed.id], &claim).await.unwrap();
    assert!(!index.touch_nar(&unknown).await.unwrap(), "it is told to no pusher");
    assert!(index.begin_nar(&unknown).await.unwrap());
    assert_eq!(index.nar_state(&unknown).await.unwrap(), Some(NarState::Arriving));
    let again = [claimed.id];
    assert_eq!(index.condemn(RowKind::Nars, &again, everything()).await.unwrap(), again);
    assert!(!index.touch_nar(&unknown).await.unwrap(), "it never arrived");
    assert_eq!(index.nar_state(&unknown).await.unwrap(), Some(NarState::Arriving));
    assert_eq!(index.claim(RowKind::Nars, &again, everything(), &claim).await.unwrap().len(), 1);
    index.end_claims(RowKind::Nars, &again, &claim).await.unwrap();
}

/// A limit is looked at by the NARs that came since the last look: one that was just arriving then is not left out.
async fn what_arrives_is_counted_when_it_is_there(index: &dyn Index) {
    let before = index.stored_since(0).await.unwrap();
    let (slow, facts) = nar(40);
    assert!(index.keep_nar(&slow).await.unwrap(), "it has a row, and no length");
    let (quick, its) = nar(41);
    index.put_nar(&quick, &its).await.unwrap();
    let seen = index.stored_since(before.newest).await.unwrap();
    assert_eq!((seen.settled, seen.all), (0, its.file_size));
    index.put_nar(&slow, &facts).await.unwrap();
    let seen = index.stored_since(seen.newest).await.unwrap();
    assert_eq!((seen.settled, seen.all), (81, 81));
    let last = index.stored_since(seen.newest).await.unwrap();
    assert_eq!((last.newest, last.all), (seen.newest, 0));
    let ids = [seen.newest - 1, seen.newest];
    index.condemn(RowKind::Nars, &ids, everything()).await.unwrap();
    let claim = Claim::new();
    index.claim(RowKind::Nars, &ids, everything(), &claim).await.unwrap();
    index.end_claims(RowKind::Nars, &ids, &claim).await.unwrap();
}

async fn a_path_that_a_root_names_stays_until_the_root_expires(index: &dyn Index) {
    let top = [id(index, 2).await];
    let name = RootName::parse("project/main").unwrap();
    let revision = |expires: SystemTime| RootRevision {
        revision: 1,
        created: SystemTime::now(),
        expires: Some(expires),
        label: None,
        pusher: admin(),
        paths: vec![path(2)],
    };
    let hour = Duration::from_secs(3600);
    index.condemn(RowKind::Paths, &top, everything()).await.unwrap();
    index.import_root(&name, &[revision(SystemTime::now() + hour)]).await.unwrap();
    assert_eq!(state(index, 2).await, Some(PathState::Published));
    assert_eq!(index.condemn(RowKind::Paths, &top, everything()).await.unwrap(), NONE);
    let hash = path(2).hash_part();
    assert_eq!(index.roots_naming(&hash, 10).await.unwrap(), ["project/main"]);
    assert_eq!(rooted(index).await, top);
    let (who, claim) = (admin(), Claim::new());
    let order = RemovalOrder { who: &who, even_rooted: false };
    assert_eq!(index.claim_path(&hash, &claim, order).await.unwrap(), ClaimOutcome::Needed);
    index.retain_revisions(&name, &[]).await.unwrap();
    index.import_root(&name, &[revision(SystemTime::now() - hour)]).await.unwrap();
    assert!(rooted(index).await.is_empty());
    assert_eq!(index.condemn(RowKind::Paths, &top, everything()).await.unwrap(), top);
    assert_eq!(index.claim(RowKind::Paths, &top, everything(), &claim).await.unwrap().len(), 1);
    index.end_claims(RowKind::Paths, &top, &claim).await.unwrap();
    assert_eq!(publish(index, 2, &[1]).await, None);
    index.retain_revisions(&name, &[]).await.unwrap();
    index.import_root(&name, &[revision(SystemTime::now() + hour)]).await.unwrap();
    let order = RemovalOrder { who: &who, even_rooted: true };
    let taken = index.claim_path(&hash, &claim, order).await.unwrap();
    assert!(matches!(taken, ClaimOutcome::Claimed(_)), "what is damaged goes all the same");
    index.end_claims(RowKind::Paths, &top, &claim).await.unwrap();
    // The root still names it.
    assert_eq!(state(index, 2).await, Some(PathState::Elsewhere));
    index.retain_revisions(&name, &[]).await.unwrap();
    assert_eq!(publish(index, 2, &[1]).await, None);
}

/// Paths that roots name.
async fn rooted(index: &dyn Index) -> Vec<i64> {
    let rooted = index.snapshot().await.unwrap().rooted((0, 0)).await.unwrap();
    rooted.into_iter().map(|(_, path)| path).collect()
}

fn admin() -> Pusher {
    Pusher { name: "admin".to_owned(), address: Some("192.0.2.1".to_owned()) }
}

async fn an_order_is_noted(index: &dyn Index) {
    let who = admin();
    let order = RemovalOrder { who: &who, even_rooted: false };
    let claim = Claim::new();
    let dep = path(1).hash_part();
    assert_eq!(index.claim_path(&dep, &claim, order).await.unwrap(), ClaimOutcome::Needed);
    assert_eq!(index.referrers(&dep, 10).await.unwrap(), [path(2)]);
    assert!(index.deletions(&dep).await.unwrap().is_empty());
    let taken = index.claim_path(&path(2).hash_part(), &claim, order).await.unwrap();
    let ClaimOutcome::Claimed(claimed) = taken else { panic!("{taken:?}") };
    index.end_claims(RowKind::Paths, &[claimed.id], &claim).await.unwrap();
    let deletions = index.deletions(&path(2).hash_part()).await.unwrap();
    assert_eq!(deletions.len(), 2, "the one before as well");
    assert_eq!(deletions[0].who, who);
    assert!(index.referrers(&dep, 10).await.unwrap().is_empty());
    let nowhere = index.claim_path(&path(99).hash_part(), &claim, order).await.unwrap();
    assert_eq!(nowhere, ClaimOutcome::Absent);
}

async fn a_snapshot_is_of_one_moment(index: &dyn Index) {
    publish(index, 6, &[1]).await;
    let mut snapshot = index.snapshot().await.unwrap();
    publish(index, 7, &[1, 6]).await;
    let paths = snapshot.paths(0).await.unwrap();
    assert_eq!(paths.len(), 2);
    assert_eq!(snapshot.edges((0, 0)).await.unwrap(), [(paths[1].id, paths[0].id)]);
    assert!(snapshot.paths(paths[1].id).await.unwrap().is_empty());
    drop(snapshot);
    assert_eq!(rows(index).await.len(), 3);
    let stale = index.stale_publications(SystemTime::now(), 10).await.unwrap();
    assert!(stale.is_empty());
    let (key, facts) = nar(8);
    index.put_nar(&key, &facts).await.unwrap();
    index.begin_publish(&new(8, &[]), None).await.unwrap();
    let stale = index.stale_publications(everything().untouched_since, 10).await.unwrap();
    assert_eq!(stale, [path(8).hash_part()]);
    assert!(index.stale_publications(nothing().untouched_since, 10).await.unwrap().is_empty());
}

async fn one_collects_at_a_time(index: &dyn Index) {
    let held = index.lock_collection().await.unwrap().unwrap();
    assert!(index.lock_collection().await.unwrap().is_none());
    drop(index.lock(Exclusive::Path(&path(1).hash_part())).await.unwrap());
    drop(held);
    // A lock in a database is given back by a task.
    for _ in 0..1000 {
        if index.lock_collection().await.unwrap().is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the lock stays");
}

#[tokio::test]
async fn sqlite() {
    let scratch = Scratch::new();
    suite(&SqliteIndex::new(scratch.join("index.sqlite"), true)).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = PostgresServer::start() else { return };
    suite(&PostgresIndex::new(&server.url()).unwrap()).await;
}
