//! Debug information by build id.

use std::os::unix::fs::symlink;

use rns_cache::{BinaryCache as _, DebugInfo};
use rns_formats::{BuildId, Resource, StorePath, url};
use rns_nix_store::{LocalStore, StoreConfig};
use rns_testing::{FixtureStore, Tree};

use crate::{config, open};

fn id(first: u8, last: u8) -> BuildId {
    BuildId::parse(&format!("{first:02x}{:036}{last:02x}", 0)).unwrap()
}

/// The contents of an output called `debug`.
fn debug_tree(ids: &[BuildId]) -> Tree {
    let mut directories = std::collections::BTreeMap::<String, Vec<(String, Tree)>>::new();
    for id in ids {
        let id = id.to_string();
        let files = directories.entry(id[..2].to_owned()).or_default();
        files.push((
            format!("{}.debug", &id[2..]),
            Tree::file(format!("debug information of {id}")),
        ));
        files.push((format!("{}.executable", &id[2..]), Tree::symlink("/nowhere")));
    }
    let directories = directories.into_iter().map(|(name, files)| (name, Tree::directory(files)));
    let top =
        Tree::directory(directories.chain([("README".to_owned(), Tree::file("not a directory"))]));
    Tree::directory([("lib", Tree::directory([("debug", Tree::directory([(".build-id", top)]))]))])
}

async fn ask(store: &LocalStore, id: BuildId) -> Option<DebugInfo> {
    store.debug_info(&id).await.unwrap()
}

/// Which path has it.
async fn path_of(store: &LocalStore, id: BuildId) -> Option<StorePath> {
    let found = ask(store, id).await?;
    match url::parse(found.archive.strip_prefix("..")?, None)? {
        Resource::Nar(name) => Some(store.path_info(name.hash_part?).await.unwrap()?.path.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn debug_information_is_found_where_it_is() {
    let mut fixture = FixtureStore::new();
    let hello = fixture.add("hello-1.0-debug", debug_tree(&[id(0xab, 1), id(0xab, 2), id(0, 3)]));
    let world = fixture.add("world-debug", debug_tree(&[id(0xff, 1)]));
    let store = open(&fixture);
    let found = ask(&store, id(0xab, 2)).await.expect("it is there");
    let nar_hash = fixture.info(&hello).nar_hash.to_nix32();
    assert_eq!(found.archive, format!("../nar/{}-{nar_hash}.nar", hello.hash_part()));
    assert_eq!(found.member, "lib/debug/.build-id/ab/00000000000000000000000000000000000002.debug");
    assert!(fixture.real_path(&hello).join(&found.member).is_file());
    assert_eq!(path_of(&store, id(0, 3)).await, Some(hello));
    assert_eq!(path_of(&store, id(0xff, 1)).await, Some(world));
    assert_eq!(path_of(&store, id(0xff, 2)).await, None);
    assert_eq!(path_of(&store, id(0xaa, 1)).await, None);
}

#[tokio::test]
async fn whatever_an_output_is_called_its_debug_information_is_found() {
    let mut fixture = FixtureStore::new();
    let names = ["hello-1.0", "hello-debug-1.0", "hello-1.0-dbg", "hello-1.0-debug"];
    let paths: Vec<_> =
        (1..).zip(names).map(|(n, name)| fixture.add(name, debug_tree(&[id(1, n)]))).collect();
    fixture.add("empty-debug", Tree::directory::<&str>([]));
    fixture.add("file-debug", Tree::file("x"));
    let unregistered = fixture.add("unregistered-debug", debug_tree(&[id(1, 9)]));
    fixture.forget(&unregistered);
    let store = open(&fixture);
    for (n, path) in (1..).zip(paths) {
        assert_eq!(path_of(&store, id(1, n)).await, Some(path));
    }
    assert_eq!(path_of(&store, id(1, 9)).await, None);
}

#[tokio::test]
async fn what_comes_and_goes_while_the_server_runs_is_noticed() {
    let mut fixture = FixtureStore::new();
    let old = fixture.add("a-debug", debug_tree(&[id(1, 1), id(1, 2)]));
    let store = open(&fixture);
    assert_eq!(path_of(&store, id(1, 1)).await, Some(old.clone()));

    let new = fixture.add("b-debug", debug_tree(&[id(1, 2), id(2, 1)]));
    assert_eq!(path_of(&store, id(2, 1)).await, Some(new.clone()));
    assert_eq!(path_of(&store, id(1, 2)).await, Some(new.clone()), "the latest of two");
    fixture.forget(&new);
    assert_eq!(path_of(&store, id(2, 1)).await, None);
    assert_eq!(path_of(&store, id(1, 2)).await, Some(old.clone()), "the other one is still there");
    fixture.remove_files(&old);
    assert_eq!(path_of(&store, id(1, 2)).await, None);

    let rebuilt = fixture.add("c-debug", debug_tree(&[id(1, 2)]));
    assert_eq!(path_of(&store, id(1, 2)).await, Some(rebuilt));
}

#[tokio::test]
async fn symbolic_links_are_not_followed() {
    let mut fixture = FixtureStore::new();
    let real = fixture.add("real", debug_tree(&[id(1, 1)]));
    fixture.forget(&real);
    let ids = fixture.real_path(&real).join("lib/debug/.build-id");
    let link = |to: &str| Tree::symlink(ids.join(to).to_str().unwrap());
    let build_id = |tree: Tree| {
        Tree::directory([(
            "lib",
            Tree::directory([("debug", Tree::directory([(".build-id", tree)]))]),
        )])
    };
    fixture.add("top-debug", build_id(link("")));
    fixture.add("prefix-debug", build_id(Tree::directory([("01", link("01"))])));
    let file = &id(1, 1).to_string()[2..];
    let file = format!("{file}.debug");
    fixture.add(
        "file-debug",
        build_id(Tree::directory([(
            "01",
            Tree::directory([(&file, link(&format!("01/{file}")))]),
        )])),
    );
    let whole = fixture.add("whole-debug", debug_tree(&[id(2, 2)]));
    fixture.remove_files(&whole);
    symlink(fixture.real_path(&real), fixture.real_path(&whole)).unwrap();
    assert_eq!(path_of(&open(&fixture), id(1, 1)).await, None);
}

#[tokio::test]
async fn the_index_has_a_bound() {
    let mut fixture = FixtureStore::new();
    let first = fixture.add("a-debug", debug_tree(&[id(1, 1), id(1, 2)]));
    fixture.add("b-debug", debug_tree(&[id(2, 1), id(2, 2)]));
    let store = LocalStore::open(StoreConfig { index_entries: 2, ..config(&fixture) });
    assert_eq!(path_of(&store, id(2, 1)).await, None);
    assert_eq!(path_of(&store, id(1, 1)).await, Some(first.clone()));
    assert_eq!(path_of(&store, id(1, 2)).await, Some(first));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error() {
    let fixture = FixtureStore::new();
    let store = LocalStore::open(StoreConfig {
        database: fixture.root().join("nowhere"),
        ..config(&fixture)
    });
    store.debug_info(&id(1, 1)).await.unwrap_err();
}
