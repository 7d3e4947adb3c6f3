//! Projects that are built again and again, from libraries that they share.

use std::fs;

use rns_formats::{Sha256Digest, StorePath};
use rns_testing::{Client, Entry, FixtureStore, Tree};

use super::world::Random;

/// Libraries for each project. Builds that are kept need some of them, and the others go and come back.
const LIBRARIES: usize = 3;

/// One build of a project.
pub(super) struct Build {
    pub(super) project: usize,
    /// Whether it is released: the root of the project names it then, until the next one.
    pub(super) is_released: bool,
    /// Length of its own file in bytes.
    pub(super) size: usize,
    /// It and all that it refers to, with the digests of their files.
    closure: Closure,
}

impl Build {
    pub(super) fn top(&self) -> &StorePath {
        &self.closure[0].0
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &StorePath> {
        self.closure.iter().map(|(path, _)| path)
    }

    /// That a client has all of it as it was built.
    pub(super) fn assert_whole(&self, client: &Client) {
        for (path, digest) in &self.closure {
            let file = client.real_path(path.as_str());
            let found = fs::read(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(Sha256Digest::of(&found) == *digest, "{path} has other contents");
        }
    }
}

/// A path, and its references, with the digests of their files.
type Closure = Vec<(StorePath, Sha256Digest)>;

/// Adds a path to a store that refers to the first ones of these closures.
fn add(store: &mut FixtureStore, name: &str, text: &[u8], needs: &[&Closure]) -> Closure {
    let references: Vec<_> = needs.iter().map(|needed| needed[0].0.clone()).collect();
    let entry = Entry::new(name, Tree::file(text)).references(&references);
    let mut closure = vec![(store.insert(entry), Sha256Digest::of(text))];
    for path in needs.iter().copied().flatten() {
        if !closure.contains(path) {
            closure.push(path.clone());
        }
    }
    closure
}

/// A store with so many builds of each project; every second one is released. A part of each project comes out the same each
/// time, so that paths of several builds have one NAR.
pub(super) fn builds(
    projects: usize,
    each: usize,
    random: &mut Random,
) -> (FixtureStore, Vec<Build>) {
    let mut store = FixtureStore::new();
    let sizes = [500, 20_000, 100_000, 400_000];
    let libraries: Vec<Closure> = (0..projects * LIBRARIES)
        .map(|number| {
            let name = format!("lib-{number}");
            let text = random.text(&name, sizes[number % sizes.len()]);
            add(&mut store, &name, &text, &[])
        })
        .collect();
    let parts: Vec<_> = (0..projects).map(|_| random.text("part", 3_000)).collect();
    let mut builds = Vec::new();
    for number in 0..each {
        for (project, part) in parts.iter().enumerate() {
            let (one, other) = (random.one_of(&libraries), random.one_of(&libraries));
            let name = format!("part-{project}-{number}");
            let part = add(&mut store, &name, part, &[one]);
            let name = format!("app-{project}-{number}");
            let size = *random.one_of(&[1_000, 100_000, 1_000_000]);
            let text = random.text(&name, size);
            let closure = add(&mut store, &name, &text, &[&part, other]);
            builds.push(Build { project, is_released: number % 2 == 0, size, closure });
        }
    }
    (store, builds)
}
