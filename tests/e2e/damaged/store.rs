//! Stores that are not as they should be: the damaged part is refused, everything else is served.

use std::{fs, path::Path, process::Command};

use rns_testing::{Entry, Standard, Tree, http::Response};

use super::{assert_serves_the_rest, set_mode};
use crate::support::{
    PUBLIC_KEY, assert_logged, assert_refusal, full, nar_of, narinfo_of, nixes, serve, server,
};

/// That no client could take this for the whole NAR.
#[track_caller]
fn assert_not_served(answer: &Response) {
    assert!(answer.status() >= 400 || !answer.complete, "{} bytes", answer.body.len());
}

#[test]
fn files_that_may_not_be_read() {
    let standard = Standard::new();
    let server = server().store(&standard.store).unprivileged().start();
    let target = nar_of(&server, &standard.tree);
    set_mode(&standard.store.real_path(&standard.tree).join("a"), 0o000);
    assert_not_served(&server.get(&target));
    assert_logged(&server, standard.tree.as_str());
    assert_serves_the_rest(&server, &standard);
}

#[test]
fn directories_that_may_not_be_read() {
    let standard = Standard::new();
    let server = server().store(&standard.store).unprivileged().start();
    let target = nar_of(&server, &standard.tree);
    set_mode(&standard.store.real_path(&standard.tree).join("dir"), 0o000);
    assert_not_served(&server.get(&target));
    assert_not_served(&server.get(&format!("/{}.ls", standard.tree.hash_part())));
    assert_logged(&server, standard.tree.as_str());
    assert_serves_the_rest(&server, &standard);
}

/// Changes the tree before the server has looked at it.
fn with_altered_tree(alter: impl Fn(&Path)) {
    let standard = Standard::new();
    let root = standard.store.real_path(&standard.tree);
    set_mode(&root, 0o755);
    set_mode(&root.join("dir"), 0o755);
    alter(&root);
    let server = serve(&standard.store);
    let target = format!("/nar/{}.nar", standard.tree.hash_part());
    assert_not_served(&server.get(&target));
    assert_refusal(&server.get(&target), 404);
    assert_logged(&server, standard.tree.as_str());
    assert_serves_the_rest(&server, &standard);
}

#[test]
fn a_file_too_many() {
    with_altered_tree(|root| fs::write(root.join("intruder"), "hello").unwrap());
}

#[test]
fn a_file_too_few() {
    with_altered_tree(|root| fs::remove_file(root.join("eight")).unwrap());
}

#[test]
fn a_file_of_another_length() {
    with_altered_tree(|root| {
        set_mode(&root.join("eight"), 0o644);
        fs::write(root.join("eight"), "123456789").unwrap();
    });
}

#[test]
fn a_file_of_the_same_length_with_other_contents() {
    with_altered_tree(|root| {
        set_mode(&root.join("eight"), 0o644);
        fs::write(root.join("eight"), "87654321").unwrap();
    });
}

#[test]
fn a_narinfo_says_what_its_nar_says_until_the_path_is_repaired() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let targets = [
        narinfo_of(&standard.tree),
        nar_of(&server, &standard.tree),
        format!("/{}.ls", standard.tree.hash_part()),
    ];
    let statuses = || targets.each_ref().map(|target| server.get(target).status());
    assert_eq!(statuses(), [200; 3]);
    let root = standard.store.real_path(&standard.tree);
    for path in [&root, &root.join("eight")] {
        set_mode(path, 0o755);
    }
    let file = root.join("eight");
    fs::write(&file, "87654321").unwrap();
    set_mode(&file, 0o444);
    // Found out by the first to ask for the contents.
    assert_refusal(&server.get(&targets[1]), 404);
    assert_eq!(statuses(), [404; 3], "the narinfo is in memory, and not sent");
    // As `nix-store --repair-path` does it: the damaged path is moved away, and a good one takes its place.
    let away = standard.store.root().join("away");
    fs::rename(&root, &away).unwrap();
    assert_eq!(statuses(), [404; 3]);
    standard.store.restore_files(&standard.tree);
    assert_eq!(statuses(), [200; 3]);
    assert!(server.get(&targets[1]).ok() == standard.store.nar(&standard.tree));
    assert_logged(&server, "it is served again");
}

#[test]
fn real_nix_repairs_a_path_and_it_is_served_at_once() {
    for nix in nixes() {
        let (standard, whole) = (Standard::new(), Standard::new());
        let (server, source) = (serve(&standard.store), serve(&whole.store));
        let targets = [narinfo_of(&standard.tree), nar_of(&server, &standard.tree)];
        let file = standard.store.real_path(&standard.tree).join("eight");
        set_mode(&file, 0o644);
        fs::write(&file, "87654321").unwrap();
        set_mode(&file, 0o444);
        assert_refusal(&server.get(&targets[1]), 404);
        assert_refusal(&server.get(&targets[0]), 404);
        let client = nix.client().substituting_from(source.url(), PUBLIC_KEY);
        let client = client.with_root(standard.store.root());
        client.run("nix-store", ["--repair-path", &full(&standard.tree)]).success();
        for target in &targets {
            assert_eq!(server.get(target).status(), 200, "{target} with Nix {}", nix.version);
        }
    }
}

#[test]
fn a_bit_that_makes_a_file_executable() {
    with_altered_tree(|root| set_mode(&root.join("eight"), 0o555));
}

#[test]
fn a_pipe_where_a_file_was() {
    with_altered_tree(|root| {
        fs::remove_file(root.join("eight")).unwrap();
        assert!(Command::new("mkfifo").arg(root.join("eight")).status().unwrap().success());
    });
}

#[test]
fn a_symbolic_link_where_a_directory_was_is_not_followed() {
    let standard = Standard::new();
    let outside = standard.store.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("run"), "#!/bin/sh\necho no\n").unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.tree);
    server.get(&target).ok();
    let root = standard.store.real_path(&standard.tree);
    set_mode(&root, 0o755);
    set_mode(&root.join("dir"), 0o755);
    fs::remove_dir_all(root.join("dir")).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("dir")).unwrap();
    assert_not_served(&server.get(&target));
    let hash = standard.tree.hash_part();
    for file in ["dir/secret", "dir/run", "dir/", "dir"] {
        let answer = server.get(&format!("/serve/{hash}/{file}"));
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{file}: {answer:?}");
    }
}

#[test]
fn rows_that_make_no_sense_are_misses() {
    let standard = Standard::new();
    let hash = standard.store.info(&standard.tree).nar_hash.to_hex();
    let insert = |hash_part: &str, name: &str, hash: &str, size: Option<i64>| {
        standard.store.execute(
            "insert into ValidPaths (path, hash, registrationTime, narSize) values (?, ?, 1, ?)",
            (format!("/nix/store/{hash_part}{name}"), hash, size),
        );
    };
    let good = format!("sha256:{hash}");
    insert("0000000000000000000000000000000a", "-no-hash", "", Some(100));
    insert("0000000000000000000000000000000b", "-half-hash", "sha256:abcd", Some(100));
    insert(
        "0000000000000000000000000000000c",
        "-md5",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        Some(100),
    );
    insert("0000000000000000000000000000000d", "-negative", &good, Some(-5));
    insert("0000000000000000000000000000000f", "-bad name!", &good, Some(100));
    insert("0000000000000000000000000000000g", "-", &good, Some(100));
    insert("0000000000000000000000000000000h", "", &good, Some(100));
    insert("0000000000000000000000000000000i", "/../../etc/passwd", &good, Some(100));
    insert("0000000000000000000000000000000j", "-x/y", &good, Some(100));
    let server = serve(&standard.store);
    for digit in "abcdfghij".chars() {
        let hash_part = format!("0000000000000000000000000000000{digit}");
        for target in [
            format!("/{hash_part}.narinfo"),
            format!("/{hash_part}.ls"),
            format!("/nar/{hash_part}.nar"),
        ] {
            assert_refusal(&server.get(&target), 404);
        }
    }
    assert_serves_the_rest(&server, &standard);
}

#[test]
fn a_reference_that_makes_no_sense_spoils_only_its_own_path() {
    let mut standard = Standard::new();
    let path = standard.store.add("odd", Tree::file("odd"));
    standard.store.execute(
        "insert into ValidPaths (path, hash, registrationTime) values ('/somewhere/else', 'sha256:00', 1)",
        [],
    );
    standard.store.execute(
        "insert into Refs select a.id, b.id from ValidPaths a, ValidPaths b where a.path = ? and b.path = '/somewhere/else'",
        [full(&path)],
    );
    let server = serve(&standard.store);
    assert_refusal(&server.get(&narinfo_of(&path)), 404);
    assert_serves_the_rest(&server, &standard);
}

#[test]
fn a_registered_size_that_is_wrong_is_never_sent() {
    let mut standard = Standard::new();
    let entry = Entry::new("lying", Tree::file("lying"));
    let right = standard.store.path_info_for(&entry);
    let path = standard.store.insert(entry.claiming(right.nar_hash, right.nar_size + 8));
    let server = serve(&standard.store);
    assert_not_served(&server.get(&format!("/nar/{}.nar", path.hash_part())));
    assert_serves_the_rest(&server, &standard);
}

#[test]
fn a_size_that_is_not_known_is_found_out() {
    // Very old rows have none.
    let standard = Standard::new();
    standard
        .store
        .execute("update ValidPaths set narSize = null where path = ?", [full(&standard.tree)]);
    standard
        .store
        .execute("update ValidPaths set narSize = 0 where path = ?", [full(&standard.blob)]);
    let server = serve(&standard.store);
    for path in [&standard.tree, &standard.blob] {
        let narinfo = server.get(&narinfo_of(path));
        let size = standard.store.info(path).nar_size.to_string();
        narinfo.ok();
        assert_eq!(crate::support::field(&narinfo, "NarSize"), Some(&*size));
        assert!(server.get(&nar_of(&server, path)).ok() == standard.store.nar(path));
    }
}

/// That a server whose store should be in this directory says that it has none, and nothing that clients remember.
fn assert_not_there(standard: &Standard, real_dir: &str, reason: &str) {
    let server = server().store(&standard.store).store_key("real_dir", real_dir).start();
    for path in [narinfo_of(&standard.tree), format!("/nar/{}.nar", standard.tree.hash_part())] {
        assert_refusal(&server.get(&path), 503);
    }
    let ready = server.get("/readyz");
    assert_eq!(ready.status(), 503);
    assert!(ready.text().contains("the store cannot be read"), "{}", ready.text());
    assert_eq!(server.get("/nix-cache-info").status(), 200);
    assert_logged(&server, reason);
}

#[test]
fn a_store_that_is_not_there_is_not_an_empty_one() {
    let standard = Standard::new();
    let empty = standard.store.root().join("mount-point");
    fs::create_dir(&empty).unwrap();
    assert_not_there(&standard, "/nowhere", "/nowhere");
    assert_not_there(&standard, empty.to_str().unwrap(), "is it mounted");
}
