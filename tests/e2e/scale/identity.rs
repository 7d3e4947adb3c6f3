//! A whole store, byte for byte as real Nix would dump it.

use rns_formats::{Sha256Digest, StorePath};
use rns_testing::{FixtureStore, Tree, http::Request};

use crate::support::{is_full, nixes, server};

/// Awkward names: sorted by bytes and not by letters, spaces, control characters, no UTF-8 at all, and
/// as long as a file system allows.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"a"[..],
        b"A",
        b"B",
        b"_",
        b"-",
        b"+",
        b"a b",
        b" ",
        b"a.b",
        b"a-b",
        b"10",
        b"9",
        b"~nix~case~hack~1",
        b"...",
        b".hidden",
        b"\xff\xfe",
        b"caf\xe9",
        b"\xc3\xa9",
        b"new\nline",
        b"\x01",
        b"\"quote\"",
        b"back\\slash",
        b"%2F",
        b"?",
        b"#",
    ]
    .map(<[u8]>::to_vec)
    .into();
    names.push(vec![b'x'; 255]);
    names
}

/// Tree number `n`: over many numbers, everything that a tree can be.
fn tree(n: usize) -> Tree {
    let names = names();
    let name = |offset: usize| names[(n + offset) % names.len()].clone();
    let contents = |len: usize| Tree::file(&format!("{n} ").repeat(len)[..len]);
    match n % 8 {
        0 => contents(n % 3000),
        1 => Tree::executable(format!("#!/bin/sh\n# {n}\n")),
        2 => Tree::symlink([&b"../"[..], &name(0), format!("{n}").as_bytes()].concat()),
        3 => Tree::directory::<Vec<u8>>([]),
        4 => (0..n % 60)
            .fold(contents(n % 9), |inner, depth| Tree::directory([(name(depth), inner)])),
        5 => Tree::directory(
            names.iter().enumerate().map(|(at, name)| (name.clone(), contents((n + at) % 17))),
        ),
        6 => Tree::directory([
            (name(0), Tree::symlink(name(1))),
            (name(3), Tree::file("")),
            (name(5), Tree::executable("x")),
            (
                name(7),
                Tree::directory([(name(2), contents(8)), (name(4), Tree::directory::<&str>([]))]),
            ),
        ]),
        _ => Tree::directory((0..n % 40).map(|at| (format!("{at}-{n}"), contents(at)))),
    }
}

fn fill(paths: usize) -> (FixtureStore, Vec<StorePath>) {
    let mut store = FixtureStore::new();
    let special = ["a", "a+b", "x.y", "_", "q?w=e", "UPPER", "0", "long-name"];
    store.connection().execute_batch("begin").unwrap();
    let all = (0..paths)
        .map(|n| store.add(&format!("{}-{n}", special[n % special.len()]), tree(n)))
        .collect();
    store.connection().execute_batch("commit").unwrap();
    (store, all)
}

#[test]
fn every_nar_of_a_whole_store_is_that_of_real_nix() {
    let paths = if is_full() { 20_000 } else { 10_000 };
    let (store, all) = fill(paths);
    let Some(nix) = nixes().last() else { return };
    let client = nix.client().with_root(store.root());
    // Real Nix dumps every path and compares it with the hash that is registered …
    let verified = client.run("nix-store", ["--verify", "--check-contents"]).success();
    assert!(!verified.stderr.contains("modified"), "{}", verified.stderr);
    // … and the bytes of the server have that hash as well.
    let server = server().store(&store).start();
    let mut connection = server.connect();
    for path in &all {
        let info = store.info(path);
        let target = format!("/nar/{}-{}.nar", path.hash_part(), info.nar_hash.to_nix32());
        let answer = connection.send(&Request::get(target));
        assert_eq!(Sha256Digest::of(answer.ok()), info.nar_hash, "{path}");
        assert_eq!(answer.body.len() as u64, info.nar_size, "{path}");
    }
    // For some the bytes themselves, from both versions.
    for nix in nixes() {
        let client = nix.client();
        for path in all.iter().step_by(paths / 40 + 1) {
            let target = format!("/nar/{}.nar", path.hash_part());
            assert!(
                connection.send(&Request::get(target)).ok() == client.dump(&store.real_path(path)),
                "{path}"
            );
        }
    }
}
