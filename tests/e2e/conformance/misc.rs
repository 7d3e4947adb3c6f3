//! Checks C86 to C90 and C95: listings, logs, realisations, health, and the texts of errors.

use rns_testing::{FixtureStore, LogFile, Standard, Tree, http::Request};
use serde_json::Value;

use crate::support::{assert_refusal, narinfo_of, serve};

#[test]
fn c86_the_listing_is_that_of_nix_and_its_offsets_are_right() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let answer = server.get(&format!("/{}.ls", standard.tree.hash_part()));
    let listing: Value = serde_json::from_slice(answer.ok()).unwrap();
    let expected: Value = serde_json::from_str(
        r#"{"version":1,"root":{"type":"directory","entries":{
            "a":{"type":"regular","size":6,"narOffset":232},
            "dir":{"type":"directory","entries":{
                "lnk":{"type":"symlink","target":"../a"},
                "run":{"type":"regular","size":18,"executable":true,"narOffset":784}}},
            "eight":{"type":"regular","size":8,"narOffset":1024},
            "empty":{"type":"directory","entries":{}},
            "zero":{"type":"regular","size":0,"narOffset":1384}}}}"#,
    )
    .unwrap();
    assert_eq!(listing, expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));

    let nar = standard.store.nar(&standard.tree);
    assert_eq!(&nar[232..238], b"hello\n");
    assert_eq!(&nar[784..802], b"#!/bin/sh\necho hi\n");
    assert_eq!(&nar[1024..1032], b"12345678");

    let root = server.get(&format!("/{}.ls", standard.dep.hash_part()));
    let root: Value = serde_json::from_slice(root.ok()).unwrap();
    let expected =
        serde_json::json!({"version": 1, "root": {"type": "regular", "size": 13, "narOffset": 96}});
    assert_eq!(root, expected);
}

#[test]
fn c86_names_that_json_cannot_hold_are_not_altered() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    assert_refusal(&server.get(&format!("/{}.ls", standard.bytes.hash_part())), 404);
}

#[test]
fn c87_logs_are_served_as_text_from_wherever_they_are() {
    let store = FixtureStore::new();
    let text = b"building\n\x1b[31mred\x1b[0m \xff\n".repeat(5000);
    let names = [
        ("0000000000000000000000000000000a-plain.drv", LogFile::Plain),
        ("0000000000000000000000000000000b-bzip2.drv", LogFile::Bzip2),
        ("0000000000000000000000000000000c-flat.drv", LogFile::FlatPlain),
        ("0000000000000000000000000000000d-flat-bzip2.drv", LogFile::FlatBzip2),
    ];
    for (name, form) in names {
        store.add_log(name, form, &text);
    }
    let server = serve(&store);
    for (name, _) in names {
        let answer = server.get(&format!("/log/{name}"));
        assert!(answer.ok() == text, "{name}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("content-encoding"), None);
        let head = server.head(&format!("/log/{name}"));
        assert_eq!((head.status(), head.body.len()), (200, 0));
    }
    assert_refusal(&server.get("/log/0000000000000000000000000000000z-none.drv"), 404);
    assert_refusal(&server.get("/log/0000000000000000000000000000000a-plain"), 404);
}

#[test]
fn c87_log_names_with_plus_equals_and_question_mark() {
    let store = FixtureStore::new();
    let name = "0000000000000000000000000000000a-ca-+x=1?y.drv";
    store.add_log(name, LogFile::Bzip2, b"strange\n");
    store.add_log("0000000000000000000000000000000b-gtk+-2.24.drv", LogFile::Plain, b"gtk\n");
    let server = serve(&store);
    for target in
        [format!("/log/{name}"), format!("/log/{}", name.replace('?', "%3F").replace('=', "%3D"))]
    {
        assert_eq!(server.get(&target).ok(), b"strange\n", "{target}");
    }
    for target in ["gtk+-2.24.drv", "gtk%2B-2.24.drv", "gtk+-2.24.drv?x=y"] {
        assert_eq!(
            server.get(&format!("/log/0000000000000000000000000000000b-{target}")).ok(),
            b"gtk\n",
            "{target}"
        );
    }
}

#[test]
fn c87_the_log_of_a_derivation_that_is_gone_is_still_there() {
    let standard = Standard::new();
    let drv = "zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv";
    standard.store.add_log(drv, LogFile::Bzip2, b"built\n");
    let server = serve(&standard.store);
    assert_refusal(&server.get("/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm.narinfo"), 404);
    assert_eq!(server.get(&format!("/log/{drv}")).ok(), b"built\n");
}

#[test]
fn c88_a_missing_realisation_is_a_miss() {
    let with_tables = FixtureStore::new();
    with_tables.create_realisation_tables();
    for store in [FixtureStore::new(), with_tables] {
        let server = serve(&store);
        let drv_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for target in [
            format!("/realisations/sha256:{drv_hash}!out.doi"),
            format!("/realisations/sha256%3A{drv_hash}%21out.doi"),
            "/build-trace-v2/0000000000000000000000000000000a-x.drv/out.doi".to_owned(),
            "/realisations/nonsense.doi".to_owned(),
            "/build-trace-v2/nonsense/out.doi".to_owned(),
            "/realisations/".to_owned(),
        ] {
            assert_refusal(&server.get(&target), 404);
        }
    }
}

#[test]
fn c88_realisations_of_both_generations_are_served() {
    let mut store = FixtureStore::new();
    let path = store.add("ca-out", Tree::file("out"));
    store.create_realisation_tables();
    let drv_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let drv = "0000000000000000000000000000000a-x.drv";
    let full = format!("/nix/store/{path}");
    store.execute(
        "insert into Realisations (drvPath, outputName, outputPath)
         select ?, 'out', id from ValidPaths where path = ?",
        [&format!("sha256:{drv_hash}"), &full],
    );
    store.execute(
        "insert into BuildTraceV3 (drvPath, outputName, outputPath) values (?, 'out', ?)",
        [drv, &full],
    );
    let server = serve(&store);
    for target in [
        format!("/realisations/sha256:{drv_hash}!out.doi"),
        format!("/realisations/sha256%3a{drv_hash}%21out.doi"),
    ] {
        let old: Value = serde_json::from_slice(server.get(&target).ok()).unwrap();
        assert_eq!(old["id"], format!("sha256:{drv_hash}!out"));
        assert_eq!(old["outPath"], path.as_str());
        assert_eq!(old["dependentRealisations"], serde_json::json!({}));
        assert!(old["signatures"][0].as_str().unwrap().starts_with("test-1:"), "{old}");
    }
    let new: Value =
        serde_json::from_slice(server.get(&format!("/build-trace-v2/{drv}/out.doi")).ok()).unwrap();
    assert_eq!(new["outPath"], path.as_str());
    assert_eq!(new["signatures"][0]["keyName"], "test-1");
}

#[test]
fn c89_the_root_is_a_page_that_helps() {
    let store = FixtureStore::new();
    let server = serve(&store);
    let answer = server.get("/");
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    let page = String::from_utf8(answer.ok().to_vec()).unwrap();
    assert!(page.contains(crate::support::PUBLIC_KEY), "{page}");
    assert!(page.contains("trusted-public-keys") && page.contains("nix copy"), "{page}");
    assert_eq!(server.head("/").status(), 200);
    assert_eq!(server.get("/pubkey").text().trim(), crate::support::PUBLIC_KEY);
}

#[test]
fn c90_what_operators_ask_for_does_not_hide_what_nix_asks_for() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    for target in ["/metrics", "/health", "/healthz", "/readyz", "/version"] {
        let answer = server.get(target);
        answer.ok();
        assert!(!answer.text().contains("StorePath"), "{target}");
    }
    server.get("/nix-cache-info").ok();
    server.get(&narinfo_of(&standard.tree)).ok();
    let metrics = server.get("/metrics");
    assert!(metrics.text().lines().any(|line| line.starts_with("# TYPE ")), "{}", metrics.text());
}

#[test]
fn c95_error_bodies_are_short_and_tell_nothing_of_the_machine() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    standard.store.remove_files(&standard.blob);
    let blob_nar = format!("/nar/{}.nar", standard.blob.hash_part());
    let long = "x".repeat(5000);
    let missing = [
        "/nothing",
        "/log/../../x",
        &blob_nar,
        &long,
        "/nar/",
        "/serve/",
        "/%",
        "/%zz",
        "/debuginfo/x.debug",
    ];
    for target in missing {
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let answer = server.get(&target);
        assert!((400..500).contains(&answer.status()), "{} for {target}", answer.status());
        assert_refusal(&answer, answer.status());
    }
    let answer = server.connect().send(&Request::new("POST", "/nothing").body("x"));
    assert_refusal(&answer, 405);
}
