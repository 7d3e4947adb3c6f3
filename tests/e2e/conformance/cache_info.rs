//! Checks C01 to C07: `nix-cache-info`.

use std::{fs, time::Instant};

use rns_testing::{FixtureStore, Standard, http};

use crate::support::{assert_refusal, eventually, field, narinfo_of, serve, server, without_date};

#[test]
fn c01_cache_info_has_the_three_fields_that_clients_read() {
    let store = FixtureStore::new();
    let answer = serve(&store).get("/nix-cache-info");
    let text = String::from_utf8(answer.ok().to_vec()).unwrap();
    assert!(text.contains("StoreDir: /nix/store\n"), "{text}");
    assert!(text.contains("WantMassQuery: 1\n"), "{text}");
    // Behind cache.nixos.org, which says 40.
    assert!(text.contains("Priority: 50\n"), "{text}");
    assert!(text.ends_with('\n') && !text.contains("\n\n"), "{text:?}");
    assert_eq!(answer.header("content-type"), Some("text/x-nix-cache-info"));
    assert!(answer.header("cache-control").is_some(), "{answer:?}");
}

#[test]
fn c02_cache_info_answers_head_like_get() {
    let store = FixtureStore::new();
    let server = serve(&store);
    let (get, head) = (server.get("/nix-cache-info"), server.head("/nix-cache-info"));
    assert_eq!((head.status(), head.body.len()), (200, 0));
    assert_eq!(head.head.content_length(), Some(get.ok().len() as u64));
    assert_eq!(without_date(&head), without_date(&get));
}

#[test]
fn c03_cache_info_names_the_configured_store_directory() {
    let mut store = FixtureStore::with_store_dir("/foo/store");
    let path = store.add("tree", Standard::small_tree());
    let server = serve(&store);
    assert_eq!(field(&server.get("/nix-cache-info"), "StoreDir"), Some("/foo/store"));
    let narinfo = server.get(&narinfo_of(&path));
    assert_eq!(field(&narinfo, "StorePath"), Some(&*format!("/foo/store/{path}")));
    let nar = server.get(&format!("/{}", field(&narinfo, "URL").unwrap()));
    assert!(nar.ok() == store.nar(&path));
}

#[test]
fn c04_cache_info_has_the_configured_priority() {
    let store = FixtureStore::new();
    let server = server()
        .store(&store)
        .section("[cache_info]\npriority = 12\nwant_mass_query = false")
        .start();
    let answer = server.get("/nix-cache-info");
    assert_eq!(field(&answer, "Priority"), Some("12"));
    assert_eq!(field(&answer, "WantMassQuery"), Some("0"));
}

#[test]
fn c04_a_priority_that_is_no_integer_is_refused_at_the_start() {
    let store = FixtureStore::new();
    let (mut process, _scratch) =
        server().store(&store).section("[cache_info]\npriority = \"low\"").spawn();
    assert!(!process.wait(std::time::Duration::from_secs(20)).success());
    assert!(process.stderr().contains("priority"), "{}", process.stderr());
}

#[test]
fn c05_a_public_cache_asks_for_no_authentication() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    for target in ["/nix-cache-info", &narinfo_of(&standard.tree), "/"] {
        let answer = server.get(target);
        answer.ok();
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[test]
fn c06_cache_info_ignores_a_query() {
    let store = FixtureStore::new();
    let server = serve(&store);
    assert_eq!(server.get("/nix-cache-info?x=1").ok(), server.get("/nix-cache-info").ok());
}

#[test]
fn c07_an_unavailable_database_is_an_outage_and_never_a_miss() {
    let standard = Standard::new();
    let database = standard.store.database();
    let away = database.with_extension("away");
    let mut store = standard.store;
    store.close_database();
    fs::rename(&database, &away).unwrap();

    let server = serve(&store);
    server.get("/nix-cache-info").ok();
    for target in [narinfo_of(&standard.tree), "/nar/0000000000000000000000000000000x.nar".into()] {
        let answer = server.get(&target);
        assert_refusal(&answer, 503);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_refusal(&server.get("/readyz"), 503);
    server.get("/healthz").ok();

    // When the database is there, everything is, without a restart.
    fs::rename(&away, &database).unwrap();
    let answer = server.get(&narinfo_of(&standard.tree));
    assert_eq!(answer.status(), 200, "{answer:?}\n{}", server.stderr());
    eventually(|| server.get("/readyz").status() == 200);
}

#[test]
fn those_who_ask_whether_it_is_ready_do_not_wear_out_the_database() {
    let mut store = FixtureStore::new();
    store.close_database();
    fs::remove_file(store.database()).unwrap();
    let server = serve(&store);
    let start = Instant::now();
    let mut connection = server.connect();
    for _ in 0..300 {
        assert_eq!(connection.send(&http::Request::get("/readyz")).status(), 503);
    }
    let metrics = server.get("/metrics");
    let mut lines = metrics.text().lines();
    let failed =
        lines.find_map(|line| line.strip_prefix("rust_nix_serve_store_errors_total ")).unwrap();
    let failed: u64 = failed.parse().unwrap();
    // Once a second for them, and once for the service manager.
    assert!(failed > 0 && failed <= 3 * (start.elapsed().as_secs() + 1), "{failed}");
}
