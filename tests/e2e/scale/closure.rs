//! A closure as large as a system's, taken by real Nix, which trusts nothing unsigned.

use rns_formats::StorePath;
use rns_testing::{Entry, FixtureStore, Tree};

use crate::support::{PUBLIC_KEY, full, nixes, serve};

const PATHS: usize = 1200;

/// Paths that each refer to some of those before them, and one that leads to all of them.
fn closure() -> (FixtureStore, StorePath) {
    let mut store = FixtureStore::new();
    let mut paths: Vec<StorePath> = Vec::new();
    for n in 0..PATHS - 1 {
        let references: Vec<_> =
            [1, 7, 50, 300].iter().filter_map(|back| n.checked_sub(*back)).collect();
        let references: Vec<_> = references.into_iter().map(|index| paths[index].clone()).collect();
        let tree = Tree::directory([
            (
                "bin",
                Tree::directory([(
                    "tool",
                    Tree::executable(format!("#!/bin/sh\necho {n}\n").repeat(1 + n % 400)),
                )]),
            ),
            (
                "share",
                Tree::directory([("doc", Tree::symlink("../bin")), ("empty", Tree::file(""))]),
            ),
        ]);
        paths.push(store.insert(Entry::new(format!("package-{n}"), tree).references(&references)));
    }
    let top = store
        .insert(Entry::new("system", Tree::directory([("n", Tree::file("n"))])).references(&paths));
    (store, top)
}

#[test]
fn real_nix_takes_a_closure_of_more_than_a_thousand_paths() {
    for nix in nixes() {
        let (store, top) = closure();
        let server = serve(&store);
        let client =
            nix.client().substituting_from(server.url(), PUBLIC_KEY).option("max-jobs", "8");
        client.realise([full(&top)]).success();
        let closure =
            client.run("nix-store", ["--query", "--requisites", &full(&top)]).success().text();
        assert_eq!(closure.lines().count(), PATHS, "Nix {}", nix.version);
        // Every NAR hash, from the files as they are on the client's disk.
        client.run("nix-store", ["--verify", "--check-contents"]).success();
    }
}
