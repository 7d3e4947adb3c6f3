//! What is taken for unchanged without being looked up.

use std::sync::Arc;

use rns_formats::{HashPart, PathInfo, StorePath};
use rns_nix_store::{Doubt, Known, LocalStore};
use rns_testing::{Entry, FixtureStore, Tree};
use rusqlite::params;

use crate::open;

/// A path as it was read, and in which state of the database.
struct Read {
    hash: HashPart,
    since: u64,
    known: Known,
}

async fn look(store: &LocalStore, hash: HashPart) -> Option<(u64, Known)> {
    let since = store.generation();
    Some((since, store.path_info_at(hash, since, Doubt::Again).await.unwrap()?))
}

async fn read(store: &LocalStore, hash: HashPart) -> Read {
    let (since, known) = look(store, hash).await.unwrap();
    Read { hash, since, known }
}

impl Read {
    /// Whether what was read is taken for true now. Then it is as if it had been read now.
    fn still_holds(&mut self, store: &LocalStore) -> bool {
        let now = store.generation();
        assert_ne!(now, 0);
        let witness = self.known.witness.as_ref();
        match witness.and_then(|witness| store.still_holds(witness, self.since, now)) {
            None => false,
            holds => {
                self.known.witness = holds;
                self.since = now;
                true
            }
        }
    }
}

fn same(one: &Option<Arc<PathInfo>>, other: &PathInfo) -> bool {
    one.as_ref().is_some_and(|one| format!("{one:?}") == format!("{other:?}"))
}

#[tokio::test]
async fn what_a_commit_does_not_touch_still_holds() {
    let mut fixture = FixtureStore::new();
    let paths: Vec<_> = (0..200).map(|n| fixture.add(&format!("p{n}"), Tree::file("x"))).collect();
    let store = open(&fixture);
    let mut first = read(&store, paths[0].hash_part()).await;
    assert!(first.still_holds(&store));
    for n in 0..5 {
        fixture.add(&format!("new{n}"), Tree::file("x"));
    }
    assert!(first.still_holds(&store), "new rows are elsewhere");
    fixture.execute("update ValidPaths set sigs = 'x' where id = 200", []);
    assert!(first.still_holds(&store), "another row, far away");
}

#[tokio::test]
async fn every_change_of_what_was_read_is_noticed() {
    let changes = [
        "update ValidPaths set sigs = 'key:abc' where id = 2",
        "update ValidPaths set ultimate = 1 where id = 2",
        "update ValidPaths set path = path || '-x' where id = 1",
        "insert into Refs select 2, 3",
        "delete from Refs where referrer = 2",
        "delete from ValidPaths where id = 2",
        "alter table ValidPaths add column more text",
        "drop index IndexReference",
        "vacuum",
    ];
    for change in changes {
        let mut fixture = FixtureStore::new();
        let dependency = fixture.add("dependency", Tree::file("x"));
        let path = fixture.insert(Entry::new("path", Tree::file("y")).references([&dependency]));
        fixture.add("other", Tree::file("z"));
        let store = open(&fixture);
        let mut read = read(&store, path.hash_part()).await;
        assert!(read.still_holds(&store));
        fixture.connection().execute_batch(change).unwrap();
        assert!(!read.still_holds(&store), "{change}");
    }
}

#[tokio::test]
async fn a_new_round_of_the_log_hides_no_change() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("path", Tree::file("x"));
    let other = fixture.add("other", Tree::file("y"));
    let store = open(&fixture);
    let mut changed = read(&store, path.hash_part()).await;
    let mut unchanged = read(&store, other.hash_part()).await;
    fixture.connection().query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
    fixture.execute("update ValidPaths set sigs = 'key:abc' where id = 1", []);
    assert!(!changed.still_holds(&store));
    assert!(unchanged.still_holds(&store), "its bytes are the same");
}

/// Any writes in any order: what is said to hold does.
#[tokio::test]
async fn whatever_is_written_nothing_stale_is_taken_for_true() {
    let mut fixture = FixtureStore::new();
    let mut paths: Vec<StorePath> = Vec::new();
    for n in 0..300 {
        let mut entry = Entry::new(format!("{n}-{}", "x".repeat(n % 150)), Tree::file("x"));
        if n > 10 {
            entry = entry.references([&paths[n / 3], &paths[n / 2]]);
        }
        paths.push(fixture.insert(entry));
    }
    let store = open(&fixture);
    let mut known: Vec<Read> = Vec::new();
    for path in paths.iter().step_by(3) {
        known.push(read(&store, path.hash_part()).await);
    }
    let (mut state, mut held, mut doubted) = (1_u32, 0, 0);
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i64::from((state >> 8) % below)
    };
    for round in 0..250 {
        let connection = fixture.connection();
        connection.execute_batch("begin").unwrap();
        for _ in 0..=random(3) {
            let id = random(320);
            match random(8) {
                0 => connection.execute("delete from Refs where reference = ?1", [id]),
                1 => connection.execute("delete from ValidPaths where id = ?1 and id not in (select reference from Refs where referrer <> ?1)", [id]),
                2 | 3 => connection.execute(
                    "update ValidPaths set sigs = ?2 where id = ?1",
                    params![id, format!("key:{}", "s".repeat(usize::try_from(random(900)).unwrap()))],
                ),
                4 => connection.execute(
                    "insert or ignore into Refs select a.id, b.id from ValidPaths a, ValidPaths b where a.id = ?1 and b.id = ?2",
                    [id, random(320)],
                ),
                _ => connection.execute(
                    "insert into ValidPaths (path, hash, registrationTime) \
                     values ('/nix/store/' || replace(lower(hex(randomblob(16))), 'e', 'g') || '-n', 'x', 1)",
                    [],
                ),
            }
            .unwrap();
        }
        connection.execute_batch("commit").unwrap();
        match round % 97 {
            40 => drop(connection.query_row("pragma wal_checkpoint(restart)", [], |_| Ok(()))),
            80 => connection.execute_batch("vacuum").unwrap(),
            _ => {}
        }
        let mut still = Vec::new();
        for mut read in known {
            let holds = read.still_holds(&store);
            let now = look(&store, read.hash).await;
            if holds {
                held += 1;
                let now = now.as_ref().map(|(_, known)| Arc::clone(&known.info));
                assert!(same(&now, &read.known.info), "round {round}: {}", read.hash);
                // Still the one that was read first.
                still.push(read);
            } else {
                doubted += 1;
                still.extend(now.map(|(since, known)| Read { hash: read.hash, since, known }));
            }
        }
        known = still;
    }
    assert!(held > 20 * doubted, "it is of use: {held} held, {doubted} were doubted");
}
