//! Outages that last: clients go on to the next cache without waiting for this one.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

use rns_testing::{Scratch, Server, Standard};

use crate::support::{
    PUBLIC_KEY, SECRET_KEY, assert_refusal, eventually, full, narinfo_of, nixes, serve, server,
};

/// Longer than an outage is young.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until narinfos are refused for good.
fn wait_until_it_stands(server: &Server, target: &str) {
    let deadline = Instant::now() + TIMEOUT;
    while server.get(target).status() == 503 {
        assert!(Instant::now() < deadline, "clients are still told to try again");
        thread::sleep(Duration::from_millis(200));
    }
    assert_refusal(&server.get(target), 501);
}

#[test]
fn clients_take_what_another_cache_has_while_a_key_is_missing() {
    let standard = Standard::new();
    let scratch = Scratch::new();
    let key = scratch.join("key");
    let section = format!("[signing]\nkeys = [{key:?}]\n");
    let (bad, good) =
        (server().store(&standard.store).section(&section).start(), serve(&standard.store));
    let target = narinfo_of(&standard.tree);
    // It may be there in a moment.
    let young = bad.get(&target);
    assert_refusal(&young, 503);
    assert!(young.header("retry-after").is_some());
    assert_eq!(bad.get("/nix-cache-info").status(), 200);

    wait_until_it_stands(&bad, &target);
    assert_refusal(&bad.get("/nix-cache-info"), 501);
    assert_eq!(bad.get(&target).header("cache-control"), Some("no-store"));
    assert_eq!(bad.get("/readyz").status(), 503);
    let paths = [&standard.tree, &standard.executable, &standard.blob].map(full);
    for nix in nixes() {
        let urls = format!("{} {}", bad.url(), good.url());
        let client = nix.client().substituting_from(&urls, PUBLIC_KEY);
        client.realise(&paths).success();
    }

    fs::write(&key, SECRET_KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    eventually(|| bad.get("/nix-cache-info").status() == 200);
    bad.get(&target).ok();
}

#[test]
fn an_outage_of_the_store_ends_when_the_store_is_back() {
    let mut standard = Standard::new();
    let server = serve(&standard.store);
    let (target, database) = (narinfo_of(&standard.tree), standard.store.database());
    standard.store.close_database();
    let away = database.with_extension("away");
    fs::rename(&database, &away).unwrap();
    assert_refusal(&server.get(&target), 503);
    wait_until_it_stands(&server, &target);
    assert_refusal(&server.get(&format!("/nar/{}.nar", standard.tree.hash_part())), 501);
    fs::rename(&away, &database).unwrap();
    eventually(|| server.get("/nix-cache-info").status() == 200);
    server.get(&target).ok();
    // The next outage is young again.
    fs::rename(&database, &away).unwrap();
    assert_refusal(&server.get(&narinfo_of(&standard.blob)), 503);
}
