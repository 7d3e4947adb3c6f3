//! The suite of all indexes for roots, over SQLite and PostgreSQL.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rns_cache::{FreedByRoot, Pusher, RootRevision};
use rns_formats::{HashPart, RootLabel, RootName};
use rns_storage::{
    collect::{RootSizeLimits, root_sizes},
    index::{
        AbsentPath, ImportedPath, Index, NewRevision, PathState, postgres::PostgresIndex,
        sqlite::SqliteIndex,
    },
};
use rns_testing::{PostgresServer, Scratch};

use crate::{
    collection::condemn,
    index::{nar, new, path, publish, state},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn name(text: &str) -> RootName {
    RootName::parse(text).unwrap()
}

fn hash(number: u64) -> HashPart {
    path(number).hash_part()
}

/// A revision that was set so long ago and lives for so long.
fn revision(number: u64, age: Duration, lives: Option<Duration>, paths: &[u64]) -> RootRevision {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let created = UNIX_EPOCH + Duration::from_secs(now) - age;
    RootRevision {
        revision: number,
        created,
        expires: lives.map(|lives| created + lives),
        label: Some(RootLabel::parse(&format!("build {number}")).unwrap()),
        pusher: Pusher { name: "token ci".to_owned(), address: Some("192.0.2.1".to_owned()) },
        paths: paths.iter().copied().map(path).collect(),
    }
}

async fn register(
    index: &dyn Index,
    root: &str,
    revision: &RootRevision,
    elsewhere: &[u64],
    keep: &[u64],
) -> Vec<AbsentPath> {
    let elsewhere: BTreeSet<_> = elsewhere.iter().copied().map(hash).collect();
    let root = NewRevision { name: &name(root), revision, elsewhere: &elsewhere, keep };
    // An order that was carried out and not acknowledged is given again.
    let first = index.register_root(&root, 100).await.unwrap();
    assert_eq!(index.register_root(&root, 100).await.unwrap(), first);
    first
}

async fn numbers(index: &dyn Index, root: &str) -> Vec<u64> {
    index.root(&name(root)).await.unwrap().iter().map(|revision| revision.revision).collect()
}

fn is_absent(number: u64, state: Option<PathState>) -> AbsentPath {
    AbsentPath { hash: hash(number), path: state.map(|_| path(number)), state }
}

async fn suite(index: &dyn Index) {
    // 103 needs 102, which needs 101; so does 104.
    for (number, references) in [(101, &[][..]), (102, &[101]), (103, &[102]), (104, &[102])] {
        assert_eq!(publish(index, number, references).await, None);
    }
    a_root_is_set_only_with_its_whole_closure(index).await;
    what_is_condemned_comes_back_with_a_root(index).await;
    what_is_elsewhere_need_not_be_here(index).await;
    the_newest_revisions_stay(index).await;
    what_has_expired_is_no_root(index).await;
    roots_are_listed_by_name(index).await;
    roots_of_the_storage_are_taken_up(index).await;
    a_path_that_a_root_names_stays_known(index).await;
    what_a_root_alone_needs_is_counted(index).await;
}

async fn a_root_is_set_only_with_its_whole_closure(index: &dyn Index) {
    let (key, facts) = nar(105);
    index.put_nar(&key, &facts).await.unwrap();
    assert_eq!(index.begin_publish(&new(105, &[103]), None).await.unwrap(), None);
    let absent = index.absent_of_closure(&[hash(103), hash(105), hash(199)], 10).await.unwrap();
    let expected = [is_absent(199, None), is_absent(105, Some(PathState::Publishing))];
    assert_eq!(absent, expected);
    assert_eq!(index.absent_of_closure(&[hash(198), hash(199)], 1).await.unwrap().len(), 1);

    let first = revision(1, Duration::ZERO, None, &[103, 105]);
    let absent = register(index, "project/main", &first, &[], &[]).await;
    assert_eq!(absent, [is_absent(105, Some(PathState::Publishing))]);
    assert!(numbers(index, "project/main").await.is_empty(), "nothing of it is entered");

    index.end_publish(&hash(105), None).await.unwrap();
    assert!(register(index, "project/main", &first, &[], &[]).await.is_empty());
    assert_eq!(index.root(&name("project/main")).await.unwrap(), [first]);
    let known = index.known_paths(&[hash(103), hash(199)]).await.unwrap();
    assert_eq!(known, [path(103)]);
}

async fn what_is_condemned_comes_back_with_a_root(index: &dyn Index) {
    for (number, references) in [(110, &[][..]), (111, &[110])] {
        assert_eq!(publish(index, number, references).await, None);
    }
    for number in [104, 111, 110] {
        condemn(index, number).await;
    }
    let root = revision(1, DAY, None, &[104, 111]);
    assert!(register(index, "a", &root, &[], &[]).await.is_empty());
    for number in [104, 111, 110] {
        assert_eq!(state(index, number).await, Some(PathState::Published), "{number}");
    }
}

async fn what_is_elsewhere_need_not_be_here(index: &dyn Index) {
    let mut with_upstream = new(106, &[107]);
    with_upstream.elsewhere.push(hash(107));
    let (key, facts) = nar(106);
    index.put_nar(&key, &facts).await.unwrap();
    assert_eq!(index.begin_publish(&with_upstream, None).await.unwrap(), None);
    index.end_publish(&hash(106), None).await.unwrap();
    let root = revision(1, Duration::ZERO, None, &[106, 108]);
    let absent = register(index, "b", &root, &[108], &[]).await;
    assert_eq!(absent, [is_absent(107, Some(PathState::Elsewhere))]);
    assert_eq!(state(index, 108).await, None, "nothing of it is entered");
    assert!(register(index, "b", &root, &[107, 108], &[]).await.is_empty());
    assert_eq!(index.root(&name("b")).await.unwrap(), [root]);
}

async fn the_newest_revisions_stay(index: &dyn Index) {
    for number in 1..=4 {
        let keep: Vec<_> = (number.max(3) - 2..number).collect();
        let next = revision(number, Duration::ZERO, None, &[101 + number % 2]);
        assert!(register(index, "pr/1", &next, &[], &keep).await.is_empty());
    }
    assert_eq!(numbers(index, "pr/1").await, [4, 3, 2]);
    assert!(index.retain_revisions(&name("pr/1"), &[4, 2]).await.unwrap());
    assert!(!index.retain_revisions(&name("pr/1"), &[4, 2]).await.unwrap());
    assert_eq!(numbers(index, "pr/1").await, [4, 2]);
    assert!(index.retain_revisions(&name("pr/1"), &[]).await.unwrap());
    assert!(numbers(index, "pr/1").await.is_empty());
}

async fn what_has_expired_is_no_root(index: &dyn Index) {
    let old = revision(1, DAY * 8, Some(DAY * 7), &[101]);
    assert!(register(index, "pr/2", &old, &[], &[]).await.is_empty());
    assert!(numbers(index, "pr/2").await.is_empty());
    assert_eq!(index.expired_roots(10).await.unwrap(), [name("pr/2")]);
    let listed = index.roots(Some(&name("pr/1")), 10, 10).await.unwrap();
    assert!(listed.iter().all(|root| root.name != name("pr/2")));
    let young = revision(2, DAY, Some(DAY * 7), &[101]);
    assert!(register(index, "pr/2", &young, &[], &[1]).await.is_empty());
    assert_eq!(numbers(index, "pr/2").await, [2]);
    let again = RootRevision { expires: None, paths: vec![path(102)], ..young.clone() };
    assert!(register(index, "pr/2", &again, &[], &[1]).await.is_empty());
    assert_eq!(index.root(&name("pr/2")).await.unwrap(), [again]);
    assert!(register(index, "pr/2", &young, &[], &[1]).await.is_empty());
    assert_eq!(index.root(&name("pr/2")).await.unwrap(), [young]);
    index.retain_revisions(&name("pr/2"), &[2]).await.unwrap();
    assert!(index.expired_roots(10).await.unwrap().is_empty());
}

async fn roots_are_listed_by_name(index: &dyn Index) {
    let all = index.roots(None, 100, 1).await.unwrap();
    let names: Vec<_> = all.iter().map(|root| root.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "pr/2", "project/main"]);
    let main = &all[3];
    assert_eq!((main.path_count, main.revision_count), (2, 1));
    assert_eq!(main.newest.paths, [path(103)], "the first ones");
    let some = index.roots(Some(&name("a")), 2, 1).await.unwrap();
    assert_eq!(some, all[1..3]);
}

async fn roots_of_the_storage_are_taken_up(index: &dyn Index) {
    let revisions = [revision(7, DAY, None, &[102]), revision(6, DAY * 2, None, &[112, 188])];
    assert_eq!(publish(index, 112, &[]).await, None);
    condemn(index, 112).await;
    for _ in 0..2 {
        index.import_root(&name("c"), &revisions).await.unwrap();
    }
    assert_eq!(index.root(&name("c")).await.unwrap(), revisions);
    assert_eq!(state(index, 112).await, Some(PathState::Published));
    assert_eq!(state(index, 188).await, Some(PathState::Elsewhere), "it was lost, and may return");
    let found = ImportedPath { path: new(188, &[]), nar: nar(188).1, stored: SystemTime::now() };
    index.import(&[found]).await.unwrap();
    assert!(index.absent_of_closure(&[hash(188)], 10).await.unwrap().is_empty());
}

async fn a_path_that_a_root_names_stays_known(index: &dyn Index) {
    index.forget_path(&hash(188)).await.unwrap();
    assert_eq!(state(index, 188).await, Some(PathState::Elsewhere));
    index.retain_revisions(&name("c"), &[]).await.unwrap();
    index.forget_path(&hash(188)).await.unwrap();
    assert_eq!(state(index, 188).await, None);
}

async fn what_a_root_alone_needs_is_counted(index: &dyn Index) {
    let limits = RootSizeLimits::default();
    let sizes = root_sizes(index, limits).await.unwrap().unwrap().sizes;
    let of = |root: &str| {
        let FreedByRoot { paths, bytes, freed_paths, freed_bytes } = sizes[&name(root)];
        (paths, bytes, freed_paths, freed_bytes)
    };
    // The file of each NAR has as many bytes as its path has as number.
    assert_eq!(of("pr/2"), (1, 101, 0, 0));
    assert_eq!(of("a"), (5, 101 + 102 + 104 + 110 + 111, 3, 104 + 110 + 111));
    assert_eq!(of("project/main"), (4, 101 + 102 + 103 + 105, 2, 103 + 105));
    // Two of its paths are elsewhere.
    assert_eq!(of("b"), (3, 106, 3, 106));
    // More than there is memory or time for is not told.
    for limits in
        [RootSizeLimits { memory: 500, ..limits }, RootSizeLimits { visits: 20, ..limits }]
    {
        assert_eq!(root_sizes(index, limits).await.unwrap(), None, "{limits:?}");
    }
}

/// So many paths, each of which needs the one before.
async fn chain(index: &dyn Index, length: u64) {
    let link = |number: u64| {
        let before = (number > 10_000).then(|| number - 1);
        let path = new(number, before.as_slice());
        ImportedPath { path, nar: nar(number).1, stored: SystemTime::now() }
    };
    let links: Vec<_> = (10_000..10_000 + length).map(link).collect();
    for batch in links.chunks(500) {
        index.import(batch).await.unwrap();
    }
}

async fn a_long_closure_is_one_question(index: &dyn Index, length: u64) {
    chain(index, length).await;
    let top = 9_999 + length;
    let root = revision(1, Duration::ZERO, None, &[top]);
    assert!(register(index, "long", &root, &[], &[]).await.is_empty());
    index.forget_path(&hash(10_000)).await.unwrap();
    let next = RootRevision { revision: 2, ..root };
    let absent = register(index, "long", &next, &[], &[]).await;
    assert_eq!(absent, [is_absent(10_000, Some(PathState::Elsewhere))]);
}

#[tokio::test]
async fn sqlite() {
    let scratch = Scratch::new();
    let index = SqliteIndex::new(scratch.join("index.sqlite"), false);
    suite(&index).await;
    a_long_closure_is_one_question(&index, 10_000).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = PostgresServer::start() else { return };
    let index = PostgresIndex::new(&server.url()).unwrap();
    suite(&index).await;
    a_long_closure_is_one_question(&index, 1_000).await;
}
