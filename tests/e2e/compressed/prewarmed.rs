//! NARs that are compressed before a client asks for them.

use std::{fs, os::unix::fs::symlink, path::Path, thread, time::Duration};

use rns_testing::{Entry, FixtureStore, Scratch, Server, Tree, http::Request};

use crate::{
    support::compression::large,
    support::{SECRET_KEY, eventually, nar_of, server},
};

fn prewarming(store: &FixtureStore, directory: &Path, keys: &str) -> Server {
    let section =
        format!("[nar_cache]\ncompression = \"zstd\"\ndirectory = {directory:?}\n{keys}\n");
    server().store(store).keys([SECRET_KEY]).section(&section).start()
}

/// Complete files in the directory of the NAR cache.
fn kept(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with("tmp-")).count()
}

fn settle(directory: &Path) -> usize {
    let mut last = (kept(directory), 0);
    while last.1 < 12 {
        thread::sleep(Duration::from_millis(500));
        let now = kept(directory);
        last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
    }
    last.0
}

#[test]
fn what_is_registered_is_compressed_before_anybody_asks_and_what_was_there_is_not() {
    let mut store = FixtureStore::new();
    store.add("old", Tree::file("was there before"));
    let scratch = Scratch::new();
    let directory = scratch.join("nars");
    let server = prewarming(&store, &directory, "prewarm_new = true");
    // It looks for new paths from its first look on.
    thread::sleep(Duration::from_secs(5));
    let path = large(&mut store);
    store.add("small", Tree::file("small"));
    eventually(|| kept(&directory) == 2);
    assert_eq!(settle(&directory), 2);
    // A hit: nothing is compressed for it.
    let answer = server.get(&nar_of(&server, &path));
    assert!(answer.header("Content-Length").is_some());
    let metrics = server.get("/metrics");
    let misses = "rust_nix_serve_nar_cache_lookups_total{result=\"miss\"} 0";
    assert!(metrics.text().contains(misses), "{}", metrics.text());
}

#[test]
fn work_that_nobody_waits_for_stands_still_while_somebody_downloads() {
    let mut store = FixtureStore::new();
    let busy = store.add("zeroes", Tree::zeroes(64 << 20));
    let scratch = Scratch::new();
    let directory = scratch.join("nars");
    let server = prewarming(&store, &directory, "prewarm_new = true");
    let nar = format!("/nar/{}.nar", busy.hash_part());
    let mut download = server.connect();
    let (head, _body) = download.start(&Request::get(&nar));
    assert_eq!(head.status, 200);
    thread::sleep(Duration::from_secs(5));
    let path = large(&mut store);
    assert_eq!(settle(&directory), 0, "a download that is not read is still one");
    // A client that asks for it gets it all the same.
    let asked = server.get(&nar_of(&server, &path));
    assert_eq!(asked.status(), 200);
    assert!(asked.complete);
    drop(download);
}

#[test]
fn the_closure_of_a_root_is_compressed_and_so_is_the_next_one() {
    let mut store = FixtureStore::new();
    let library = store.add("library", Tree::file("library"));
    let program = store.insert(Entry::new("program", Tree::file("program")).references([&library]));
    let other = store.add("other", Tree::file("other"));
    let scratch = Scratch::new();
    let (directory, profile) = (scratch.join("nars"), scratch.join("profile"));
    let point_to = |path: &rns_formats::StorePath| {
        let next = scratch.join("next");
        symlink(store.store_dir().print(path), &next).unwrap();
        fs::rename(&next, &profile).unwrap();
    };
    point_to(&program);
    let _server = prewarming(&store, &directory, &format!("prewarm_roots = [{profile:?}]"));
    eventually(|| kept(&directory) == 2);
    point_to(&other);
    eventually(|| kept(&directory) == 3);
}

#[test]
fn what_one_cache_cannot_know_keeps_no_other_from_being_served_in_advance() {
    let mut store = FixtureStore::new();
    store.add("old", Tree::file("was there before"));
    let scratch = Scratch::new();
    let directory = scratch.join("nars");
    let section = format!(
        "[nar_cache]\ncompression = \"zstd\"\ndirectory = {directory:?}\nprewarm_new = true\n"
    );
    let all =
        "[cache.all]\npath = \"/all\"\nexpose.everything = true\naccess.anonymous = [\"read\"]";
    // There is no room to compute which paths the first one shows.
    let server = server()
        .store(&store)
        .keys([SECRET_KEY])
        .section(&section)
        .section("[expose]\neverything = true\ndeny = [\"secret\"]")
        .section(all)
        .store_number("index_entries", 1)
        .start();
    thread::sleep(Duration::from_secs(5));
    let path = large(&mut store);
    assert_eq!(server.get(&format!("/{}.narinfo", path.hash_part())).status(), 503);
    eventually(|| kept(&directory) == 1);
}
