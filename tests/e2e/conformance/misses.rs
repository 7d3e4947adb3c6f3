//! Checks C19 to C25: a missing object is a plain 404, and nothing else is.

use rns_testing::{Standard, Tree, http::Request};

use crate::support::{assert_logged, assert_refusal, nar_of, narinfo_of, serve};

#[test]
fn c19_an_unknown_path_is_a_short_404_that_nobody_may_keep() {
    let standard = Standard::new();
    let answer = serve(&standard.store).get("/00000000000000000000000000000000.narinfo");
    assert_refusal(&answer, 404);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    assert!(answer.text().ends_with('\n'));
}

#[test]
fn c20_a_malformed_hash_part_is_a_miss_and_not_an_error() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let hash = standard.tree.hash_part().to_string();
    let upper = hash.to_uppercase();
    let mut names =
        vec![hash[1..].to_owned(), format!("{hash}0"), upper, String::new(), "x".repeat(4000)];
    for foreign in ['e', 'o', 'u', 't', '-', '.', '*', '~', '\''] {
        names.push(format!("{foreign}{}", &hash[1..]));
    }
    for name in names {
        for suffix in ["narinfo", "ls"] {
            assert_refusal(&server.get(&format!("/{name}.{suffix}")), 404);
        }
    }
}

#[test]
fn c21_a_hash_part_just_before_an_existing_one_is_a_miss() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    // `>=` alone would find the path that follows.
    let before = "4hgnzv75gip1q649b6g1xql7g25p304r";
    assert_eq!(standard.tree.hash_part().to_string(), "4hgnzv75gip1q649b6g1xql7g25p304s");
    for suffix in [".narinfo", ".ls"] {
        assert_refusal(&server.get(&format!("/{before}{suffix}")), 404);
    }
    assert_refusal(&server.get("/0000000000000000000000000000000z.narinfo"), 404);
    assert_refusal(&server.get("/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz.narinfo"), 404);
}

#[test]
fn c23_other_methods_are_told_which_ones_work() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let targets =
        ["/nix-cache-info".to_owned(), narinfo_of(&standard.tree), "/nothing".into(), "/".into()];
    for method in ["POST", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "BREW"] {
        for target in &targets {
            let answer = server.connect().send(&Request::new(method, target.clone()));
            assert_refusal(&answer, 405);
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {target}");
        }
    }
    let answer = server
        .connect()
        .send(&Request::new("PUT", "/nix-cache-info").body("StoreDir: /nix/store\n"));
    assert_refusal(&answer, 405);
}

#[test]
fn c24_files_that_are_not_registered_are_not_served() {
    let standard = Standard::new();
    let hash = "0000000000000000000000000000000a";
    Tree::file("half built").write_to(&standard.store.real_dir().join(format!("{hash}-partial")));
    Tree::file("lock").write_to(&standard.store.real_dir().join(format!("{}.lock", standard.tree)));
    let server = serve(&standard.store);
    for target in [
        format!("/{hash}.narinfo"),
        format!("/{hash}.ls"),
        format!("/nar/{hash}.nar"),
        format!("/serve/{hash}/"),
    ] {
        assert_refusal(&server.get(&target), 404);
    }
}

#[test]
fn c25_a_registered_path_without_files_is_a_miss_that_the_log_tells_of() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let nar = nar_of(&server, &standard.top);
    standard.store.remove_files(&standard.top);
    assert_refusal(&server.get(&nar), 404);
    assert_refusal(&server.get(&format!("/{}.ls", standard.top.hash_part())), 404);
    assert_refusal(&server.get(&format!("/serve/{}/", standard.top.hash_part())), 404);
    assert_logged(&server, standard.top.as_str());
    // All other paths are served.
    assert!(
        server.get(&nar_of(&server, &standard.tree)).ok() == standard.store.nar(&standard.tree)
    );
}
