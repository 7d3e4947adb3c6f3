//! `/debuginfo/<build id>.debug`: from a build id to the NAR that holds its debug information.

use rns_testing::{Entry, FixtureStore, Tree};
use serde_json::Value;

use crate::support::{assert_refusal, eventually, serve};

const BUILD_ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// A path as `separateDebugInfo` makes it, for one build id.
fn debug_path(build_id: &str, contents: &str) -> Entry {
    let (directory, file) = build_id.split_at(2);
    let file = Tree::directory([(format!("{file}.debug"), Tree::file(contents))]);
    let tree = Tree::directory([(directory, file)]);
    let tree = Tree::directory([(
        "lib",
        Tree::directory([("debug", Tree::directory([(".build-id", tree)]))]),
    )]);
    Entry::new("program-1.0-debug", tree)
}

#[test]
fn a_build_id_leads_to_the_member_of_a_nar() {
    let mut store = FixtureStore::new();
    let path = store.insert(debug_path(BUILD_ID, "DWARF"));
    let server = serve(&store);
    let answer = server.get(&format!("/debuginfo/{BUILD_ID}.debug"));
    let json: Value = serde_json::from_slice(answer.ok()).unwrap();
    assert_eq!(json["member"], format!("lib/debug/.build-id/01/{}.debug", &BUILD_ID[2..]));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    // Relative to `debuginfo/`, as Nix writes it.
    let archive = json["archive"].as_str().unwrap().strip_prefix("../").unwrap();
    assert!(server.get(&format!("/{archive}")).ok() == store.nar(&path));
    let head = server.head(&format!("/debuginfo/{BUILD_ID}.debug"));
    assert_eq!((head.status(), head.head.content_length()), (200, Some(answer.body.len() as u64)));
}

#[test]
fn an_unknown_build_id_is_a_miss_and_so_is_nonsense() {
    let mut store = FixtureStore::new();
    store.insert(debug_path(BUILD_ID, "DWARF"));
    let server = serve(&store);
    let upper = BUILD_ID.to_uppercase();
    let short = &BUILD_ID[1..];
    for id in ["ffffffffffffffffffffffffffffffffffffffff", &upper, short, "..", "x", ""] {
        assert_refusal(&server.get(&format!("/debuginfo/{id}.debug")), 404);
    }
    // The request of a program that mounts debug information.
    let bare = server.get(&format!("/debuginfo/{BUILD_ID}"));
    assert_eq!(bare.text(), server.get(&format!("/debuginfo/{BUILD_ID}.debug")).text());
}

#[test]
fn what_is_registered_or_removed_later_is_known_later() {
    let mut store = FixtureStore::new();
    let first = store.insert(debug_path(BUILD_ID, "first"));
    let server = serve(&store);
    server.get(&format!("/debuginfo/{BUILD_ID}.debug")).ok();

    let later = BUILD_ID.replace('0', "f");
    assert_refusal(&server.get(&format!("/debuginfo/{later}.debug")), 404);
    store.insert(debug_path(&later, "later"));
    eventually(|| server.get(&format!("/debuginfo/{later}.debug")).status() == 200);

    store.forget(&first);
    eventually(|| server.get(&format!("/debuginfo/{BUILD_ID}.debug")).status() == 404);
}
