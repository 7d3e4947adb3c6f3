//! Daemons that watch the store for new paths.

use std::time::Duration;

use rns_formats::StorePath;
use rns_testing::{FixtureStore, Process, Standard, Tree, open_sqlite};

use super::{
    program,
    queue::{Away, Place},
};
use crate::{
    service::systemd_notify::Manager,
    support::{eventually, narinfo_of},
};

/// Returns true when the watcher of a queue has noted where it begins.
fn has_begun(place: &Place) -> bool {
    let count = "select count(*) from Notes where name = 'seenRow'";
    place.file.exists()
        && open_sqlite(&place.file).query_row(count, [], |row| row.get::<_, i64>(0)) == Ok(1)
}

#[test]
fn new_paths_of_the_store_are_found_also_those_of_the_time_in_between() {
    let (mut standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let server = away.start(standard.store.store_dir().as_str());
    let token = place.scratch.write("token", &away.token);
    let watch = ["watch-store"];
    let is_there = |path: &StorePath| server.get(&narinfo_of(path)).status() == 200;
    let daemon = place.daemon(&watch, &standard.store, &away.url(), &token);
    eventually(|| has_begun(&place));
    let first = standard.store.add("first", Tree::file("1"));
    eventually(|| is_there(&first));
    drop(daemon);
    let second = standard.store.add("second", Tree::file("2"));
    let drv = standard.store.add("third.drv", Tree::file("3"));
    let _daemon = place.daemon(&watch, &standard.store, &away.url(), &token);
    eventually(|| is_there(&second));
    assert!(!is_there(&drv) && !is_there(&standard.blob));
}

#[test]
fn paths_that_are_there_are_added_once_also_to_a_queue_in_use() {
    let (mut standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let token = place.scratch.write("token", &away.token);
    // There is no cache, so that the queue shows the added paths.
    let watch = |store: &FixtureStore, more: &[&str]| {
        place.daemon(&[&["watch-store"], more].concat(), store, &away.url(), &token)
    };
    let daemon = watch(&standard.store, &[]);
    eventually(|| has_begun(&place));
    drop(daemon);
    assert_eq!(place.waiting(), 0);

    let database = open_sqlite(&standard.store.database());
    let count = "select count(*) from ValidPaths where path not like '%.drv'";
    let there: i64 = database.query_row(count, [], |row| row.get(0)).unwrap();
    let mut daemon = watch(&standard.store, &["--existing"]);
    daemon.wait_for_line("adds the paths that are in the store already");
    eventually(|| place.waiting() == u64::try_from(there).unwrap());
    drop(daemon);

    // As after a reboot, with the same command line.
    place.queue(&["drop", "--all"]).success();
    let _daemon = watch(&standard.store, &["--existing"]);
    standard.store.add("late", Tree::file("late"));
    eventually(|| place.waiting() > 0);
    assert_eq!(place.waiting(), 1);
}

#[test]
fn a_full_queue_ends_no_watcher_and_no_drain() {
    let (mut standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let token = place.scratch.write("token", &away.token);
    place.hook(&[&standard.top]).success();
    let queue = open_sqlite(&place.file);
    let many = "with recursive Numbers (n) as \
                (select 1 union all select n + 1 from Numbers where n < 1000000) \
                insert into Paths (path, added, nextTry) \
                select format('%032d-x', n), 0, unixepoch() + 3000 from Numbers";
    queue.execute(many, []).unwrap();
    let mut daemon = place.daemon(&["watch-store"], &standard.store, &away.url(), &token);
    eventually(|| has_begun(&place) || daemon.stderr().contains("the queue is full"));
    let late = standard.store.add("late", Tree::file("late"));
    daemon.wait_for_line("the queue is full");
    // The waiting paths are pushed all the same, which makes room.
    let server = away.start(standard.store.store_dir().as_str());
    let is_there = |path: &StorePath| server.get(&narinfo_of(path)).status() == 200;
    eventually(|| is_there(&standard.top));
    queue.execute("delete from Paths where error is null and added = 0", []).unwrap();
    eventually(|| is_there(&late));
}

#[test]
fn a_watcher_that_hangs_is_silent_to_systemd_and_the_next_one_finds_its_paths() {
    let (mut standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let (manager, token) = (Manager::new(), place.scratch.write("token", &away.token));
    let root = standard.store.root().to_owned();
    let start = || {
        let mut command = program(&["watch-store", "--store", root.to_str().unwrap()]);
        command.args(["--to", &away.url(), "--token-file"]).arg(&token);
        command.arg("--queue").arg(&place.file);
        // Two seconds: systemd restarts a daemon that says nothing for so long.
        command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "2000000");
        Process::start(&mut command)
    };
    let mut daemon = start();
    eventually(|| has_begun(&place));
    manager.next("WATCHDOG=1");

    // The queue is held by a process that does not end, and the watcher cannot go on.
    let held = open_sqlite(&place.file);
    held.execute_batch("begin immediate").unwrap();
    standard.store.add("late", Tree::file("late"));
    manager.await_silence(Duration::from_secs(2));
    // Where systemd does not end it, it ends itself, with an error that the log has.
    let status = daemon.wait(Duration::from_secs(60));
    assert_eq!(status.code(), Some(2), "{}", daemon.stderr());
    assert!(daemon.stderr().contains("locked"), "{}", daemon.stderr());

    held.execute_batch("rollback").unwrap();
    let _restarted = start();
    manager.next("WATCHDOG=1");
    eventually(|| place.waiting() == 1);
}
