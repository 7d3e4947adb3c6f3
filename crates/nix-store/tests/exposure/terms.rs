//! The terms of a policy, one by one and together.

use std::{path::PathBuf, time::Duration};

use rns_cache::{BinaryCache as _, CacheError, ExposurePolicy};
use rns_formats::StorePath;
use rns_nix_store::{Exposures, LocalStore, StoreConfig};
use rns_testing::{Entry, FixtureStore, Tree};

use crate::{config, insert, patterns, roots, shown, shows, soon, view};

#[tokio::test]
async fn what_refers_to_a_denied_path_is_withheld() {
    let mut fixture = FixtureStore::new();
    let plain = insert(&mut fixture, "plain", &[]);
    let secret = insert(&mut fixture, "host-secrets", &[&plain]);
    let system = insert(&mut fixture, "system", &[&secret]);
    let above = insert(&mut fixture, "above", &[&system]);
    let public = insert(&mut fixture, "public-secrets", &[]);
    let policy = ExposurePolicy {
        deny: patterns(&["*-secrets*"]),
        allow: patterns(&["public-*"]),
        ..ExposurePolicy::default()
    };
    let store = view(&fixture, &policy).await;
    let all = [&plain, &secret, &system, &above, &public];
    assert_eq!(shown(&store, &all).await, ["plain", "public-secrets"]);
    assert_eq!(store.exposure_numbers().withheld, 2);

    // The same among the closures of roots.
    let root = PathBuf::from(fixture.store_dir().print(&above));
    let store = view(&fixture, &ExposurePolicy { deny: policy.deny, ..roots(&[&root]) }).await;
    assert_eq!(shown(&store, &all).await, ["plain"]);
    assert_eq!(store.exposure_numbers().withheld, 2);

    // And for later paths.
    let store = view(
        &fixture,
        &ExposurePolicy { deny: patterns(&["*-secrets"]), ..ExposurePolicy::default() },
    )
    .await;
    let late = insert(&mut fixture, "late", &[&above]);
    let fine = insert(&mut fixture, "fine", &[&plain]);
    // Asked first, so that it brings the set up to date.
    assert!(!shows(&store, &StorePath::parse(&format!("{}-x", "0".repeat(32))).unwrap()).await);
    assert_eq!(store.exposes_now(&late.hash_part()), Some(false));
    assert_eq!(shown(&store, &[&late, &fine]).await, ["fine"]);
}

#[tokio::test]
async fn a_deriver_is_named_only_where_it_is_exposed() {
    let mut fixture = FixtureStore::new();
    let drv = insert(&mut fixture, "x.drv", &[]);
    let full = fixture.store_dir().print(&drv);
    let output = fixture.insert(Entry::new("x", Tree::file("x")).deriver(full));
    let deny = |deny: &[&str]| ExposurePolicy { deny: patterns(deny), ..ExposurePolicy::default() };
    let deriver = async |policy| {
        let store = view(&fixture, &policy).await;
        let record = store.path_info(output.hash_part()).await.unwrap().unwrap();
        record.info.deriver.clone()
    };
    assert_eq!(deriver(deny(&["*.drv"])).await, None);
    assert_eq!(deriver(deny(&["y"])).await, Some(drv));
}

#[tokio::test]
async fn nothing_is_answered_before_the_policy_is_evaluated() {
    let mut fixture = FixtureStore::new();
    let path = insert(&mut fixture, "x", &[]);
    let hidden = insert(&mut fixture, "y", &[]);
    let policy = ExposurePolicy { deny: patterns(&["y"]), ..ExposurePolicy::default() };
    let store = Exposures::new(LocalStore::open(config(&fixture))).cache(&policy);
    assert_eq!(store.exposes_now(&path.hash_part()), None);
    for path in [&path, &hidden, &StorePath::parse(&format!("{}-z", "0".repeat(32))).unwrap()] {
        let error = store.path_info(path.hash_part()).await.unwrap_err();
        assert!(matches!(error, CacheError::Unavailable { .. }), "{error}");
    }
    soon(async || store.exposes_now(&path.hash_part()).is_some()).await;
    assert!(shows(&store, &path).await && !shows(&store, &hidden).await);
    assert_eq!(store.exposes_now(&hidden.hash_part()), Some(false));
}

#[test]
fn without_a_runtime_the_first_question_starts_the_evaluation() {
    let mut fixture = FixtureStore::new();
    let path = insert(&mut fixture, "x", &[]);
    let policy = ExposurePolicy { deny: patterns(&["y"]), ..ExposurePolicy::default() };
    let store = Exposures::new(LocalStore::open(config(&fixture))).cache(&policy);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // And again in a second runtime, after the first one has ended with all its tasks.
    for _ in 0..2 {
        runtime().block_on(async {
            soon(async || store.path_info(path.hash_part()).await.is_ok_and(|it| it.is_some()))
                .await;
        });
    }
}

#[tokio::test]
async fn too_many_paths_expose_nothing() {
    let mut fixture = FixtureStore::new();
    let paths: Vec<_> =
        (0..20).map(|number| insert(&mut fixture, &format!("x{number}"), &[])).collect();
    let policy = ExposurePolicy { deny: patterns(&["y"]), ..ExposurePolicy::default() };
    let small = StoreConfig { index_entries: 20, ..config(&fixture) };
    let store = Exposures::new(LocalStore::open(small)).cache(&policy);
    store.exposure_known().await.unwrap();
    assert!(shows(&store, &paths[0]).await);
    let more = insert(&mut fixture, "more", &[]);
    let error = store.path_info(more.hash_part()).await.unwrap_err().to_string();
    assert!(error.contains("`store.index_entries`"), "{error}");
    let error = store.path_info(paths[0].hash_part()).await.unwrap_err().to_string();
    assert!(error.contains("`store.index_entries`"), "{error}");
}

#[tokio::test]
async fn equal_policies_share_their_work_while_somebody_holds_it() {
    let mut fixture = FixtureStore::new();
    let path = insert(&mut fixture, "x", &[]);
    let policy = ExposurePolicy { deny: patterns(&["y"]), ..ExposurePolicy::default() };
    let all = Exposures::new(LocalStore::open(config(&fixture)));
    let one = all.cache(&policy);
    one.exposure_known().await.unwrap();
    let two = all.cache(&policy);
    assert_eq!(two.exposes_now(&path.hash_part()), Some(true), "no time without an answer");
    assert_eq!(one.exposure_epoch(), two.exposure_epoch());
    let other = all.cache(&policy.restricted_to(patterns(&["x"])));
    other.exposure_known().await.unwrap();
    assert_ne!(other.exposure_epoch(), one.exposure_epoch());
    drop((one, two));
    tokio::time::sleep(Duration::from_millis(10)).await;
}
