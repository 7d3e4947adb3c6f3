//! The paths that a store shows through a policy.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests may fail as loudly as tests"
)]

mod gate;
mod model;
mod roots;
mod signed;
mod terms;

use std::{path::Path, time::Duration};

use rns_cache::{BinaryCache as _, ExposurePolicy, NarAnswer, Pattern};
use rns_formats::{HashPart, Resource, StorePath, url};
use rns_nix_store::{ExposedCache, Exposures, LocalStore, StoreConfig};
use rns_testing::{Entry, FixtureStore, Tree};

fn config(store: &FixtureStore) -> StoreConfig {
    StoreConfig {
        daemon_socket: None,
        busy_timeout: Duration::from_millis(50),
        ..StoreConfig::for_root(store.root(), store.store_dir().clone())
    }
}

fn patterns(patterns: &[&str]) -> Vec<Pattern> {
    patterns.iter().map(|pattern| Pattern::parse(pattern).unwrap()).collect()
}

fn roots(roots: &[&Path]) -> ExposurePolicy {
    ExposurePolicy {
        roots: Some(roots.iter().map(|&root| root.to_owned()).collect()),
        ..ExposurePolicy::default()
    }
}

/// The store through a policy that has been evaluated.
async fn view(fixture: &FixtureStore, policy: &ExposurePolicy) -> ExposedCache {
    let store = Exposures::new(LocalStore::open(config(fixture))).cache(policy);
    store.exposure_known().await.unwrap();
    store
}

/// The NAR of any path.
async fn nar(store: &ExposedCache, hash: HashPart) -> Option<NarAnswer> {
    let Some(Resource::Nar(name)) = url::parse(&format!("/nar/{hash}.nar"), None) else {
        panic!("{hash}");
    };
    store.nar(&name).await.unwrap()
}

async fn shows(store: &ExposedCache, path: &StorePath) -> bool {
    store.path_info(path.hash_part()).await.unwrap().is_some()
}

/// Which of these are shown, by their names.
async fn shown(store: &ExposedCache, paths: &[&StorePath]) -> Vec<String> {
    let mut names = Vec::new();
    for path in paths {
        if shows(store, path).await {
            names.push(path.name().to_owned());
        }
    }
    names
}

fn insert(fixture: &mut FixtureStore, name: &str, references: &[&StorePath]) -> StorePath {
    let entry = Entry::new(name, Tree::file(name));
    fixture.insert(entry.references(references.iter().copied()).self_reference())
}

/// Waits until something is so that takes at most two seconds.
async fn soon(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not happen");
}
