//! Checks C33 to C37 and C45 to C48: whole NARs, and the names they go by.

use rns_formats::Sha256Digest;
use rns_testing::{FixtureStore, Standard, Tree};

use crate::{
    conformance::ranged,
    support::{assert_refusal, field, nar_of, narinfo_of, serve, sha256, without_date},
};

#[test]
fn c33_the_nar_is_what_the_narinfo_says() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    for path in [&standard.tree, &standard.top, &standard.blob, &standard.bytes] {
        let narinfo = server.get(&narinfo_of(path));
        let answer = server.get(&format!("/{}", field(&narinfo, "URL").unwrap()));
        assert!(answer.ok() == standard.store.nar(path), "{path}");
        assert_eq!(field(&narinfo, "NarHash"), Some(&*sha256(answer.ok())));
        assert_eq!(field(&narinfo, "FileHash"), Some(&*sha256(answer.ok())));
        assert_eq!(field(&narinfo, "NarSize"), Some(&*answer.body.len().to_string()));
        assert_eq!(answer.head.content_length(), Some(answer.body.len() as u64));
        assert_eq!(answer.header("content-type"), Some("application/x-nix-nar"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        let caching = answer.header("cache-control").unwrap();
        assert!(caching.contains("immutable") && caching.contains("no-transform"), "{answer:?}");
        assert_eq!(answer.header("transfer-encoding"), None);
    }
}

#[test]
fn c34_known_trees_have_the_nars_that_real_nix_makes() {
    let names = ["10", "9", "B", "_", "a", "a-b", "a.b", "b", "\u{e9}"];
    let vectors = [
        (Tree::file(""), 112, "0ip26j2h11n1kgkz36rl4akv694yz65hr72q4kv4b3lxcbi65b3p"),
        (Tree::file("hello\n"), 120, "04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw"),
        (Tree::executable("hello\n"), 152, "1yhh619m3cy1mird7f0l7zsmiv9rayqn075zinda2g7rscwn0hv5"),
        (Tree::file("12345678"), 120, "0g7mwcdnivpkvcv7aydv8b9a4qp0nc3daxhdl95fciv488ik5mi2"),
        (Tree::symlink("../a"), 120, "17yy26jqjy0nvac4xxjbpdgdhaan92vx4a8p8lk5swyjq20dkx44"),
        (Tree::directory::<&str>([]), 96, "0sjjj9z1dhilhpc8pq4154czrb79z9cm044jvn75kxcjv6v5l2m5"),
        (
            Tree::directory([("x", Tree::file("y"))]),
            288,
            "00qv6ksfpvga19lr72dh6fvrjhbjcfk6m4nfd1axcafmmrzms5l2",
        ),
        (Standard::small_tree(), 1432, "1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5"),
        (
            Tree::directory(names.map(|name| (name, Tree::file("")))),
            1752,
            "0ykda4xglzb63bwjlz8ibw0jdmfp30b63fbqz6gwz2b2m9flm6s4",
        ),
    ];
    let mut store = FixtureStore::new();
    let paths: Vec<_> =
        vectors.iter().map(|(tree, ..)| store.add("vector", tree.clone())).collect();
    let server = serve(&store);
    for (path, (_, len, hash)) in paths.iter().zip(vectors) {
        let nar = server.get(&nar_of(&server, path));
        assert_eq!((nar.ok().len(), &*sha256(nar.ok())), (len, &*format!("sha256:{hash}")));
    }
}

#[test]
fn c35_executable_is_what_the_owner_may_execute() {
    let mut store = FixtureStore::new();
    let path = store.add(
        "modes",
        Tree::directory([
            ("all", Tree::with_mode(0o555, "x")),
            ("group", Tree::with_mode(0o454, "x")),
            ("none", Tree::with_mode(0o444, "x")),
            ("others", Tree::with_mode(0o645, "x")),
            ("owner", Tree::with_mode(0o500, "x")),
        ]),
    );
    let server = serve(&store);
    let nar = server.get(&nar_of(&server, &path));
    assert!(nar.ok() == store.nar(&path));
    let executables = nar.body.windows(10).filter(|bytes| bytes == b"executable").count();
    assert_eq!(executables, 2);
}

#[test]
fn c36_a_symbolic_link_is_served_as_one() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let nar = server.get(&nar_of(&server, &standard.link));
    assert!(nar.ok() == Tree::symlink("/nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt").nar());
}

#[test]
fn c37_head_tells_the_length_without_the_bytes() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.blob);
    let head = server.head(&target);
    assert_eq!((head.status(), head.body.len()), (200, 0));
    assert_eq!(head.head.content_length(), Some(standard.store.info(&standard.blob).nar_size));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    assert_eq!(without_date(&head), without_date(&server.get(&target)));
}

#[test]
fn c45_a_name_with_another_nar_hash_is_a_miss() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let hash = standard.tree.hash_part();
    let other = Sha256Digest::of(b"something else").to_nix32();
    for target in [
        format!("/nar/{hash}-{other}.nar"),
        format!("/nar/{other}.nar?hash={hash}"),
        format!("/nar/{other}.nar"),
        format!(
            "/nar/{}-{}.nar",
            standard.dep.hash_part(),
            standard.store.info(&standard.tree).nar_hash.to_nix32()
        ),
    ] {
        assert_refusal(&server.get(&target), 404);
    }
}

#[test]
fn c46_urls_that_other_servers_left_in_client_caches_still_work() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let hash = standard.tree.hash_part();
    let nar_hash = standard.store.info(&standard.tree).nar_hash.to_nix32();
    let nar = standard.store.nar(&standard.tree);
    for target in [
        // nix-serve, nix-serve-ng
        format!("/nar/{hash}-{nar_hash}.nar"),
        // nix-serve of long ago
        format!("/nar/{hash}.nar"),
        // harmonia
        format!("/nar/{nar_hash}.nar?hash={hash}"),
        // Nix itself, without compression
        format!("/nar/{nar_hash}.nar"),
    ] {
        assert!(server.get(&target).ok() == nar, "{target}");
        let part = ranged(&server, &target, "bytes=1000-");
        assert!(part.status() == 206 && part.body == nar[1000..], "{target}");
        assert_eq!(server.head(&target).head.content_length(), Some(1432), "{target}");
    }
}

#[test]
fn c47_doubled_slashes_count_as_one() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.tree);
    let nar = standard.store.nar(&standard.tree);
    for doubled in
        [format!("/{target}"), target.replace("/nar/", "//nar//"), format!("///{target}")]
    {
        assert!(server.get(&doubled).ok() == nar, "{doubled}");
    }
    server.get("//nix-cache-info").ok();
    server.get(&format!("/{}", narinfo_of(&standard.tree))).ok();
}

#[test]
fn c48_no_spelling_of_a_path_leads_outside() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let hash = standard.tree.hash_part();
    let nar = nar_of(&server, &standard.tree);
    let mut targets = Vec::new();
    let ups = [
        "..",
        ".",
        "%2e%2e",
        "%2E%2e",
        ".%2e",
        "%2e",
        "..%2f",
        "%2f",
        "%00",
        "..%5c",
        "..\\",
        "%c0%ae%c0%ae",
        "%252e%252e",
        "%u002e%u002e",
        "..;",
        "%2e%2e%2f",
        "%0a",
        "%ff",
    ];
    for up in ups {
        targets.push(format!("/nar/{up}/nix-cache-info"));
        targets.push(format!("/nar/{up}"));
        targets.push(format!("/serve/{hash}/{up}/{up}/{up}/nix/var/nix/db/db.sqlite"));
        targets.push(format!("/serve/{hash}/dir/{up}/{up}"));
        targets.push(format!("/serve/{up}/{hash}"));
        targets.push(format!("/log/{up}/{up}/db/db.sqlite"));
        targets.push(format!("/log/{up}"));
        targets.push(format!("/{up}.narinfo"));
        targets.push(format!("{nar}{up}"));
        targets.push(format!("/build-trace-v2/{up}/out.doi"));
        targets.push(format!("/debuginfo/{up}.debug"));
    }
    for target in targets {
        let answer = server.get(&target);
        assert!(matches!(answer.status(), 400 | 404), "{} for {target}", answer.status());
        assert!(answer.body.len() < 1024, "{target}");
        assert!(!answer.body.windows(6).any(|bytes| bytes == b"SQLite"), "{target}");
    }
    server.get("/nix-cache-info").ok();
}
