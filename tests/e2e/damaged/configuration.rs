//! Databases and keys that cannot be used: an outage that the log explains, never an empty cache.

use std::{fs, path::Path};

use rns_testing::{FixtureStore, Standard};

use crate::{
    damaged::{assert_serves_the_rest, set_mode},
    support::{assert_logged, assert_refusal, eventually, narinfo_of, serve, server},
};

/// A server whose database is not one; its log.
fn with_bad_database(spoil: impl Fn(&Path)) -> String {
    let mut standard = Standard::new();
    standard.store.close_database();
    let database = standard.store.database();
    spoil(&database);
    let server = server().store(&standard.store).unprivileged().start();
    server.get("/nix-cache-info").ok();
    server.get("/healthz").ok();
    for target in [narinfo_of(&standard.tree), "/readyz".to_owned()] {
        assert_refusal(&server.get(&target), 503);
    }
    assert_logged(&server, "db.sqlite");
    server.stderr()
}

#[test]
fn a_database_that_is_garbage_is_an_outage() {
    let said = with_bad_database(|database| fs::write(database, "garbage ".repeat(4000)).unwrap());
    assert!(said.contains("db.sqlite") && said.contains("not a database"), "{said}");
}

#[test]
fn a_database_that_is_empty_is_an_outage() {
    let said = with_bad_database(|database| fs::write(database, "").unwrap());
    assert!(said.contains("db.sqlite"), "{said}");
}

#[test]
fn a_database_that_is_a_directory_is_an_outage() {
    let said = with_bad_database(|database| {
        fs::remove_file(database).unwrap();
        fs::create_dir(database).unwrap();
    });
    assert!(said.contains("db.sqlite"), "{said}");
}

#[test]
fn a_database_that_may_not_be_read_is_an_outage() {
    let said = with_bad_database(|database| set_mode(database, 0o000));
    assert!(said.contains("db.sqlite") && said.contains("read"), "{said}");
}

#[test]
fn a_database_of_another_schema_is_an_outage() {
    let said =
        with_bad_database(|database| fs::write(database.with_file_name("schema"), "11").unwrap());
    assert!(said.contains("schema"), "{said}");
}

#[test]
fn a_database_damaged_while_the_server_runs_is_an_outage_until_it_is_restored() {
    let mut standard = Standard::new();
    standard.store.close_database();
    let server = serve(&standard.store);
    server.get(&narinfo_of(&standard.tree)).ok();
    let backup = fs::read(standard.store.database()).unwrap();
    let replace = |bytes: &[u8]| {
        let new = standard.store.root().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, standard.store.database()).unwrap();
    };
    replace(&b"garbage ".repeat(4000));
    eventually(|| server.get(&narinfo_of(&standard.dep)).status() == 503);
    server.get("/nix-cache-info").ok();
    replace(&backup);
    eventually(|| server.get(&narinfo_of(&standard.dep)).status() == 200);
    assert_serves_the_rest(&server, &standard);
}

/// A server whose key is not one; its log.
fn with_bad_key(make: impl Fn(&Path)) -> String {
    let standard = Standard::new();
    let builder = server().store(&standard.store);
    let key = builder.scratch().join("the-key");
    make(&key);
    let server = builder.section(&format!("[signing]\nkeys = [{key:?}]")).unprivileged().start();
    server.get("/nix-cache-info").ok();
    for target in [narinfo_of(&standard.tree), "/readyz".to_owned()] {
        assert_refusal(&server.get(&target), 503);
    }
    assert_logged(&server, "the-key");
    server.stderr()
}

#[test]
fn a_key_file_that_is_a_directory_is_named() {
    let said = with_bad_key(|key| fs::create_dir(key).unwrap());
    assert!(said.contains("director"), "{said}");
}

#[test]
fn a_key_file_that_is_not_there_is_named_with_the_command_that_makes_it() {
    let said = with_bad_key(|_| ());
    assert!(said.contains("key generate"), "{said}");
}

#[test]
fn a_key_file_that_is_no_key_is_named_without_showing_it() {
    let said = with_bad_key(|key| {
        fs::write(key, "name:c2VjcmV0LXNlY3JldA==").unwrap();
        set_mode(key, 0o600);
    });
    assert!(!said.contains("c2VjcmV0"), "{said}");
}

#[test]
fn a_key_file_that_everyone_can_read_is_named_with_the_command_that_mends_it() {
    let said = with_bad_key(|key| {
        fs::write(key, crate::support::SECRET_KEY).unwrap();
        set_mode(key, 0o644);
    });
    assert!(said.contains("chmod"), "{said}");
}

#[test]
fn an_empty_store_is_not_an_outage() {
    let store = FixtureStore::new();
    let server = serve(&store);
    assert_refusal(&server.get("/00000000000000000000000000000000.narinfo"), 404);
    server.get("/readyz").ok();
}
