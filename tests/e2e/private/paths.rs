//! Tokens that show only a part of a cache.

use std::{fs, thread, time::Duration};

use rns_formats::StorePath;
use rns_testing::{Server, Standard, http::Response};

use crate::{
    support::private::{create, get_with, private, token_command},
    support::write_key,
    support::{eventually, field, fields, full, narinfo_of, nixes, without_date},
};

const CLOSED: &str = "anonymous = []\nfailure_delay = \"0s\"";

/// The answer when it is known which paths are shown.
fn get(server: &Server, token: &str, target: &str) -> Response {
    loop {
        let answer = get_with(server, token, target);
        if answer.status() != 503 {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Every way to a path.
fn ways(standard: &Standard, path: &StorePath) -> Vec<String> {
    let hash = path.hash_part();
    let nar_hash = standard.store.info(path).nar_hash.to_nix32();
    vec![
        format!("/{hash}.narinfo"),
        format!("/{hash}.ls"),
        format!("/nar/{hash}.nar"),
        format!("/nar/{hash}-{nar_hash}.nar"),
        format!("/nar/{nar_hash}.nar"),
        format!("/serve/{hash}/"),
    ]
}

#[test]
fn a_token_for_some_names_shows_their_closures_and_nothing_else() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let some = create(&file, "some", &["--paths", "self-*,nothing"]);
    let all = create(&file, "all", &[]);
    let server = builder.start();
    for path in [&standard.itself, &standard.dep] {
        for target in ways(&standard, path) {
            let answer = get(&server, &some, &target);
            // The listing of a file is its own; a directory is browsed.
            assert_eq!(answer.status(), get(&server, &all, &target).status(), "{target}");
            assert!(answer.status() < 400, "{target}: {}", answer.status());
            assert!(!answer.header("cache-control").unwrap().contains("public"), "{target}");
        }
    }
    let missing = get(&server, &some, "/00000000000000000000000000000000.narinfo");
    for path in [&standard.top, &standard.blob, &standard.tree] {
        for target in ways(&standard, path) {
            assert!(get(&server, &all, &target).status() < 400, "{target}");
            let hidden = get(&server, &some, &target);
            assert_eq!(hidden.status(), 404, "{target}");
            assert_eq!(without_date(&hidden), without_date(&missing), "{target}");
            assert!(hidden.body == missing.body, "{target}");
        }
    }
    get(&server, &some, "/nix-cache-info").ok();
}

#[test]
fn what_a_token_shows_changes_with_its_line() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let token = create(&file, "some", &["--paths", "self-*"]);
    let server = builder.start();
    let (itself, blob) = (narinfo_of(&standard.itself), narinfo_of(&standard.blob));
    let before = get(&server, &token, &itself);
    before.ok();
    assert_eq!(get(&server, &token, &blob).status(), 404);

    let text = fs::read_to_string(&file).unwrap();
    write_key(&file, &text.replace("paths=self-*", "paths=blob.*"));
    eventually(|| get(&server, &token, &blob).status() == 200);
    assert_eq!(get(&server, &token, &itself).status(), 404);
    write_key(&file, &text.replace(" paths=self-*", ""));
    eventually(|| get(&server, &token, &itself).status() == 200);
    assert_eq!(get(&server, &token, &blob).status(), 200);
    // Outputs of a hidden derivation as well, to clients that do not see it.
    let whole = get(&server, &token, &itself);
    assert!(field(&before, "Deriver").is_none() && field(&whole, "Deriver").is_some());
    for name in ["URL", "NarHash", "References"] {
        assert_eq!(field(&before, name), field(&whole, name));
    }
    assert_eq!(fields(&before, "Sig"), fields(&whole, "Sig"));
}

#[test]
fn a_path_that_comes_later_is_shown_to_whom_it_is_meant_for() {
    let mut standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let ours = create(&file, "ours", &["--paths", "ours-*"]);
    let theirs = create(&file, "theirs", &["--paths", "theirs-*"]);
    let server = builder.start();
    let path = standard.store.add("ours-1", rns_testing::Tree::file("x"));
    get(&server, &ours, &narinfo_of(&path)).ok();
    assert_eq!(get(&server, &theirs, &narinfo_of(&path)).status(), 404);
    token_command("revoke", &file, &["ours"]);
    eventually(|| get(&server, &ours, &narinfo_of(&path)).status() == 401);
}

#[test]
fn real_nix_gets_what_its_token_is_for() {
    for nix in nixes() {
        let standard = Standard::new();
        let (builder, file) = private(&standard.store, CLOSED);
        let token = create(&file, "some", &["--paths", "self-*"]);
        let server = builder.start();
        get(&server, &token, &narinfo_of(&standard.itself)).ok();
        let client = crate::support::private::client_with_token(&nix, server.url(), &token);
        client.realise([full(&standard.itself)]).success();
        assert!(client.real_path(standard.dep.as_str()).exists());
        client.realise([full(&standard.executable)]).failure();
    }
}
