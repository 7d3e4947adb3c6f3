//! Signatures that decide which paths are exposed.

use rns_cache::ExposurePolicy;
use rns_formats::{KeyName, SecretKey, StorePath};
use rns_nix_store::{Exposures, LocalStore};
use rns_testing::{Entry, FixtureStore, Tree};

use crate::{config, patterns, shown, shows, view};

fn key(name: &str, seed: u8) -> SecretKey {
    SecretKey::from_seed(KeyName::parse(name).unwrap(), &[seed; 32])
}

fn signed_by(key: &SecretKey) -> ExposurePolicy {
    ExposurePolicy { signed_by: Some(vec![key.public_key()]), ..ExposurePolicy::default() }
}

/// Puts a path with a signature into the store.
fn signed(
    fixture: &mut FixtureStore,
    name: &str,
    references: &[&StorePath],
    key: &SecretKey,
) -> StorePath {
    let entry = Entry::new(name, Tree::file(name)).references(references.iter().copied());
    let fingerprint = fixture.path_info_for(&entry).fingerprint(fixture.store_dir());
    fixture.insert(entry.signature(key.sign(fingerprint).to_string()))
}

#[tokio::test]
async fn only_closures_of_valid_signatures_are_exposed() {
    let mut fixture = FixtureStore::new();
    let (trusted, namesake, other) = (key("a", 1), key("a", 2), key("b", 1));
    let good = signed(&mut fixture, "good", &[], &trusted);
    let forged = signed(&mut fixture, "forged", &[], &namesake);
    let foreign = signed(&mut fixture, "foreign", &[], &other);
    let on_good = signed(&mut fixture, "on-good", &[&good], &trusted);
    let on_forged = signed(&mut fixture, "on-forged", &[&good, &forged], &trusted);
    let on_foreign = signed(&mut fixture, "on-foreign", &[&foreign], &trusted);
    let all = [&good, &forged, &foreign, &on_good, &on_forged, &on_foreign];
    let store = view(&fixture, &signed_by(&trusted)).await;
    // From above, so that the forgery is found before it is asked for itself.
    assert!(!shows(&store, &on_forged).await);
    assert_eq!(store.exposes_now(&forged.hash_part()), Some(false));
    assert_eq!(shown(&store, &all).await, ["good", "on-good"]);
    // And together with closures of roots or names.
    let policy = signed_by(&trusted).restricted_to(patterns(&["on-*"]));
    let store = view(&fixture, &policy).await;
    assert_eq!(shown(&store, &all).await, ["good", "on-good"]);
    assert!(!shows(&store, &on_forged).await);
}

#[tokio::test]
async fn a_content_addressed_path_without_signature_is_not_exposed() {
    let mut fixture = FixtureStore::new();
    let trusted = key("a", 1);
    let source = fixture.insert(
        Entry::new("source", Tree::file("source"))
            .ca("fixed:r:sha256:0sg9f58l1jj88w6pdrfdpj5x9b1zrwszk84j81zvby36q9whhhqa"),
    );
    let on_source = signed(&mut fixture, "on-source", &[&source], &trusted);
    let store = view(&fixture, &signed_by(&trusted)).await;
    assert_eq!(shown(&store, &[&source, &on_source]).await, [""; 0]);
}

#[tokio::test]
async fn a_signature_that_was_added_is_known_when_the_policy_is_set_again() {
    let mut fixture = FixtureStore::new();
    let trusted = key("a", 1);
    let path = fixture.add("x", Tree::file("x"));
    let policy = signed_by(&trusted);
    let all = Exposures::new(LocalStore::open(config(&fixture)));
    let store = all.cache(&policy);
    store.exposure_known().await.unwrap();
    assert!(!shows(&store, &path).await);
    let signature = trusted.sign(fixture.info(&path).fingerprint(fixture.store_dir()));
    fixture.execute("update ValidPaths set sigs = ?1", [signature.to_string()]);
    let store = all.cache(&policy);
    store.exposure_settled().await.unwrap();
    assert!(shows(&store, &path).await);
}

#[tokio::test]
async fn a_signature_counts_for_the_nar_that_it_was_made_for() {
    let mut fixture = FixtureStore::new();
    let trusted = key("a", 1);
    let path = signed(&mut fixture, "x", &[], &trusted);
    let store = view(&fixture, &signed_by(&trusted)).await;
    assert!(shows(&store, &path).await);
    // As after `nix-store --repair-path` of a path that is not built the same each time.
    fixture.execute("update ValidPaths set hash = ?1", [format!("sha256:{}", "0".repeat(64))]);
    assert!(!shows(&store, &path).await);
}

#[tokio::test]
async fn without_a_key_nothing_is_exposed() {
    let mut fixture = FixtureStore::new();
    let path = signed(&mut fixture, "x", &[], &key("a", 1));
    let policy = ExposurePolicy { signed_by: Some(Vec::new()), ..ExposurePolicy::default() };
    assert!(!shows(&view(&fixture, &policy).await, &path).await);
}
