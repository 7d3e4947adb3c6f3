//! Closures of roots, and how they change with the roots.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rns_cache::{BinaryCache as _, ExposurePolicy};
use rns_formats::StorePath;
use rns_testing::FixtureStore;

use crate::{insert, roots, shown, shows, soon, view};

/// `top` refers to `middle`, that to `bottom`; `other` refers to `bottom` too.
struct Chain {
    fixture: FixtureStore,
    top: StorePath,
    middle: StorePath,
    bottom: StorePath,
    other: StorePath,
}

impl Chain {
    fn new() -> Self {
        let mut fixture = FixtureStore::new();
        let bottom = insert(&mut fixture, "bottom", &[]);
        let middle = insert(&mut fixture, "middle", &[&bottom]);
        let top = insert(&mut fixture, "top", &[&middle]);
        let other = insert(&mut fixture, "other", &[&bottom]);
        fs::create_dir(fixture.root().join("profiles")).unwrap();
        Self { fixture, top, middle, bottom, other }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.fixture.root().join("profiles").join(name)
    }

    fn link(&self, name: &str, path: &StorePath) -> PathBuf {
        link(&self.place(name), Path::new(&self.fixture.store_dir().print(path)));
        self.place(name)
    }

    async fn shown(&self, policy: &ExposurePolicy) -> Vec<String> {
        let store = view(&self.fixture, policy).await;
        shown(&store, &[&self.top, &self.middle, &self.bottom, &self.other]).await
    }
}

/// Makes a link or replaces it, as Nix does.
fn link(place: &Path, target: &Path) {
    let temporary = place.with_extension("tmp");
    symlink(target, &temporary).unwrap();
    fs::rename(temporary, place).unwrap();
}

#[tokio::test]
async fn a_profile_exposes_the_closure_of_its_generation_and_nothing_else() {
    let chain = Chain::new();
    chain.link("system-1-link", &chain.middle);
    link(&chain.place("system"), Path::new("system-1-link"));
    assert_eq!(chain.shown(&roots(&[&chain.place("system")])).await, ["middle", "bottom"]);
}

#[tokio::test]
async fn store_paths_directories_and_patterns_are_roots() {
    let chain = Chain::new();
    let path = PathBuf::from(chain.fixture.store_dir().print(&chain.middle));
    assert_eq!(chain.shown(&roots(&[&path])).await, ["middle", "bottom"], "a store path");
    let inside = path.join("bin/sh");
    assert_eq!(chain.shown(&roots(&[&inside])).await, ["middle", "bottom"], "inside of one");
    let real = chain.fixture.real_path(&chain.other);
    assert_eq!(chain.shown(&roots(&[&real])).await, ["bottom", "other"], "by its real name");

    chain.link("system-1-link", &chain.middle);
    chain.link("system-2-link", &chain.bottom);
    chain.link("user-1-link", &chain.other);
    let pattern = chain.place("system-*-link");
    assert_eq!(chain.shown(&roots(&[&pattern])).await, ["middle", "bottom"], "a pattern");
    let directory = chain.place("");
    assert_eq!(chain.shown(&roots(&[&directory])).await, ["middle", "bottom", "other"]);
}

#[tokio::test]
async fn links_in_directories_are_followed_like_the_collectors_roots() {
    let chain = Chain::new();
    let home = chain.fixture.root().join("home");
    fs::create_dir(&home).unwrap();
    link(&home.join("result"), Path::new(&chain.fixture.store_dir().print(&chain.other)));
    fs::create_dir(chain.place("auto")).unwrap();
    link(&chain.place("auto/indirect"), &home.join("result"));
    link(&chain.place("auto/stale"), &home.join("gone"));
    // Loops, and directories that a link leads to, are no roots.
    link(&chain.place("auto/loop"), Path::new("loop"));
    link(&chain.place("auto/up"), Path::new(".."));
    chain.link("elsewhere", &chain.top);
    assert_eq!(chain.shown(&roots(&[&chain.place("auto")])).await, ["bottom", "other"]);
}

#[tokio::test]
async fn a_root_inside_of_a_store_path_means_that_path() {
    let chain = Chain::new();
    // The way to it leads through a link; the directory is in the store.
    link(&chain.place("current"), &chain.fixture.real_path(&chain.middle));
    assert_eq!(chain.shown(&roots(&[&chain.place("current")])).await, ["middle", "bottom"]);
}

#[tokio::test]
async fn roots_that_lead_nowhere_expose_nothing_and_are_counted() {
    let chain = Chain::new();
    link(&chain.place("loop"), Path::new("loop"));
    link(&chain.place("dangling"), Path::new("nowhere"));
    fs::create_dir(chain.place("empty")).unwrap();
    let missing = ["absent", "loop", "dangling", "empty"].map(|name| chain.place(name));
    let mut all: Vec<&Path> = missing.iter().map(PathBuf::as_path).collect();
    let invalid = PathBuf::from("/nix/store/00000000000000000000000000000000-invalid");
    all.push(&invalid);
    let store = view(&chain.fixture, &roots(&all)).await;
    assert_eq!(shown(&store, &[&chain.top, &chain.bottom]).await, [""; 0]);
    let numbers = store.exposure_numbers();
    assert_eq!((numbers.exposed, numbers.roots_missing), (0, 5));
    // One of them is made.
    chain.link("absent", &chain.bottom);
    assert!(shows(&store, &chain.bottom).await);
    assert_eq!(store.exposure_numbers().roots_missing, 4);
    assert_eq!(chain.shown(&roots(&[])).await, [""; 0], "no root is not the same as no term");
}

#[tokio::test]
async fn what_a_switched_profile_brings_is_there_at_once_and_the_rest_gone_soon() {
    let chain = Chain::new();
    chain.link("system", &chain.top);
    let store = view(&chain.fixture, &roots(&[&chain.place("system")])).await;
    let before = store.exposure_epoch();
    assert!(shows(&store, &chain.top).await && !shows(&store, &chain.other).await);
    for _ in 0..3 {
        chain.link("system", &chain.other);
        assert!(shows(&store, &chain.other).await, "a miss is found out about at once");
        soon(async || !shows(&store, &chain.top).await).await;
        assert!(shows(&store, &chain.bottom).await, "what both have stays");
        chain.link("system", &chain.top);
        soon(async || !shows(&store, &chain.other).await).await;
        assert!(shows(&store, &chain.top).await);
    }
    assert!(store.exposure_epoch() > before);
}

#[tokio::test]
async fn a_hit_is_told_again_only_while_neither_database_nor_exposed_paths_change() {
    let mut chain = Chain::new();
    chain.link("system", &chain.top);
    let store = view(&chain.fixture, &roots(&[&chain.place("system")])).await;
    assert!(shows(&store, &chain.top).await);
    let before = store.generation();
    assert!(before.is_some());
    assert_eq!(store.generation(), before, "nothing has happened");
    chain.link("system", &chain.other);
    soon(async || !shows(&store, &chain.top).await).await;
    let switched = store.generation();
    assert!(switched.is_some_and(|now| Some(now) != before), "a path was hidden");
    insert(&mut chain.fixture, "new", &[]);
    soon(async || store.generation() != switched).await;
}

#[tokio::test]
async fn links_name_paths_by_the_logical_store_directory_whatever_it_is() {
    let mut fixture = FixtureStore::with_store_dir("/opt/store");
    let path = insert(&mut fixture, "x", &[]);
    insert(&mut fixture, "y", &[]);
    let (place, foreign) = (fixture.root().join("link"), fixture.root().join("foreign"));
    link(&place, Path::new(&format!("/opt/store/{path}")));
    link(&foreign, Path::new(&format!("/nix/store/{path}")));
    let store = view(&fixture, &roots(&[&place])).await;
    assert!(shows(&store, &path).await);
    let store = view(&fixture, &roots(&[&foreign])).await;
    assert!(!shows(&store, &path).await);
}

#[tokio::test]
async fn a_path_that_becomes_valid_behind_a_root_is_exposed_at_once() {
    let mut chain = Chain::new();
    let mut other = FixtureStore::new();
    let later = insert(&mut other, "later", &[]);
    chain.link("system", &later);
    let store = view(&chain.fixture, &roots(&[&chain.place("system")])).await;
    assert!(!shows(&store, &later).await);
    insert(&mut chain.fixture, "later", &[]);
    assert!(shows(&store, &later).await);
}
