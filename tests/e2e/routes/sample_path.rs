//! `/api/sample-path`: a path to try a cache with, which its reader could read anyway.

use rns_formats::StorePath;
use rns_testing::{FixtureStore, Server, Standard};
use serde_json::Value;

use crate::{
    support::{
        SECRET_KEY, full, narinfo_of,
        private::{create, get_with, private},
        server,
        twins::ready,
    },
    uploads::Pushable,
};

const TARGET: &str = "/api/sample-path";

/// The path in an answer; `Null` where the cache has none to offer.
fn offered(server: &Server) -> Value {
    let answer = server.get(TARGET);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    let answer: Value = serde_json::from_str(answer.text()).unwrap();
    answer["path"].clone()
}

#[test]
fn a_path_that_is_signed_and_needs_to_be() {
    let standard = Standard::new();
    let server = ready(server().store(&standard.store).keys([SECRET_KEY]));
    let path = offered(&server);
    let path =
        StorePath::parse(path.as_str().unwrap().strip_prefix("/nix/store/").unwrap()).unwrap();
    let narinfo = server.get(&narinfo_of(&path));
    assert!(
        narinfo.text().contains("\nSig: ") && !narinfo.text().contains("\nCA: "),
        "{}",
        narinfo.text()
    );
}

#[test]
fn only_a_path_that_is_shown() {
    let standard = Standard::new();
    let shows = |policy: &str| {
        let builder = server().store(&standard.store).keys([SECRET_KEY]);
        offered(&ready(builder.section(&format!("[expose]\n{policy}"))))
    };
    assert_eq!(shows("names = [\"blob.bin\"]"), full(&standard.blob));
    assert_eq!(shows("names = [\"nothing\"]"), Value::Null);
}

#[test]
fn a_reader_of_a_private_cache_gets_one_of_its_own_paths() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, "anonymous = []\nfailure_delay = \"0s\"");
    let token = create(&file, "some", &["--paths", "blob*"]);
    let server = ready(builder);
    assert_eq!(server.get(TARGET).status(), 401);
    let answer = get_with(&server, &token, TARGET);
    assert_eq!(answer.status(), 200);
    assert!(answer.text().contains(&full(&standard.blob)), "{}", answer.text());
}

#[test]
fn a_stored_path_as_soon_as_there_is_one() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    assert_eq!(offered(&cache.server), Value::Null);
    cache.push(&standard, &standard.executable);
    assert_eq!(offered(&cache.server), full(&standard.executable));
}

#[test]
fn an_outage_is_no_empty_cache() {
    let empty = FixtureStore::new();
    let server = ready(server().store(&empty).keys([SECRET_KEY]));
    assert_eq!(offered(&server), Value::Null);
    std::fs::rename(empty.database(), empty.root().join("away")).unwrap();
    crate::support::eventually(|| server.get(TARGET).status() == 503);
}
