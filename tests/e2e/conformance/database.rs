//! Checks C91 to C93: the database in every condition that it can rightly be in.

use std::{fs, thread, time::Duration};

use rns_testing::{Entry, FixtureStore, Standard, Tree};

use crate::support::{assert_refusal, eventually, narinfo_of, serve, server};

#[test]
fn c91_a_locked_database_is_waited_for_and_then_an_outage() {
    let mut standard = Standard::new();
    // In WAL mode no writer can keep readers out: a database as another tool may have left it.
    standard.store.close_database();
    let other = rns_testing::open_sqlite(&standard.store.database());
    other.pragma_update(None, "journal_mode", "delete").unwrap();

    let server = server().store(&standard.store).store_key("busy_timeout", "1s").start();
    server.get(&narinfo_of(&standard.tree)).ok();
    other.execute_batch("begin exclusive").unwrap();
    let answer = server.get(&narinfo_of(&standard.dep));
    assert_refusal(&answer, 503);
    assert!(answer.header("retry-after").is_some());
    server.get("/nix-cache-info").ok();

    // A lock that goes away in time is not noticed by the client.
    let unlocking = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        other.execute_batch("rollback").unwrap();
    });
    server.get(&narinfo_of(&standard.top)).ok();
    unlocking.join().unwrap();
}

#[test]
fn c91_a_database_replaced_by_another_is_the_one_that_is_read() {
    let mut standard = Standard::new();
    let server = serve(&standard.store);
    server.get(&narinfo_of(&standard.tree)).ok();

    let mut other = FixtureStore::new();
    let new = other.add("new", Tree::file("new"));
    Tree::file("new").write_to(&standard.store.real_path(&new));
    other.close_database();
    standard.store.close_database();
    let database = standard.store.database();
    for suffix in ["-wal", "-shm"] {
        let file = database.with_file_name(format!("db.sqlite{suffix}"));
        if file.exists() {
            fs::remove_file(file).unwrap();
        }
    }
    fs::copy(other.database(), standard.store.root().join("restored")).unwrap();
    fs::rename(standard.store.root().join("restored"), database).unwrap();
    standard.store.open_database();

    eventually(|| server.get(&narinfo_of(&new)).status() == 200);
    assert_refusal(&server.get(&narinfo_of(&standard.tree)), 404);
}

#[test]
fn c92_a_path_registered_now_is_served_to_the_next_request_of_another_user() {
    let mut standard = Standard::new();
    let server = server().store(&standard.store).unprivileged().start();
    server.get(&narinfo_of(&standard.tree)).ok();
    for n in 0..5 {
        let tree = Tree::file(format!("fresh {n}"));
        let path = standard.store.path_info_for(&Entry::new("fresh", tree.clone())).path;
        // Asked for before it is there, as an uploader does.
        assert_refusal(&server.get(&narinfo_of(&path)), 404);
        assert_eq!(standard.store.add("fresh", tree), path);
        server.get(&narinfo_of(&path)).ok();
    }
}

#[test]
fn c93_a_database_that_nobody_has_open_is_read_by_another_user() {
    let mut standard = Standard::new();
    standard.store.close_database();
    let wal = standard.store.database().with_file_name("db.sqlite-wal");
    assert!(!wal.exists());
    let server = server().store(&standard.store).unprivileged().start();
    server.get(&narinfo_of(&standard.tree)).ok();
    assert!(!wal.exists(), "reading has left a file in Nix's directory");
    // A Nix that comes later is seen.
    standard.store.open_database();
    let path = standard.store.add("later", Tree::file("later"));
    eventually(|| server.get(&narinfo_of(&path)).status() == 200);
}
