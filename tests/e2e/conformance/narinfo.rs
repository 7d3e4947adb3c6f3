//! Checks C08 to C16, C26 and C27 to C32: the fields of a narinfo, and how it is sent.

use std::{process::Command, time::Duration};

use rns_testing::{Entry, FixtureStore, Standard, Tree, http::Request, run};

use crate::support::{SECRET_KEY, field, fields, narinfo_of, serve, server, sha256, without_date};

#[test]
fn c08_a_narinfo_has_every_field_in_the_order_of_nix() {
    let standard = Standard::new();
    let answer = serve(&standard.store).get(&narinfo_of(&standard.tree));
    assert_eq!(answer.header("content-type"), Some("text/x-nix-narinfo"));
    assert_eq!(answer.head.content_length(), Some(answer.ok().len() as u64));
    let names: Vec<_> =
        answer.text().lines().map(|line| line.split_once(": ").unwrap().0).collect();
    let expected = [
        "StorePath",
        "URL",
        "Compression",
        "FileHash",
        "FileSize",
        "NarHash",
        "NarSize",
        "References",
        "Sig",
        "CA",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        field(&answer, "StorePath"),
        Some("/nix/store/4hgnzv75gip1q649b6g1xql7g25p304s-tree")
    );
    assert_eq!(
        field(&answer, "NarHash"),
        Some("sha256:1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5")
    );
    assert_eq!(field(&answer, "NarSize"), Some("1432"));
}

#[test]
fn c09_no_references_is_an_empty_value_after_a_space() {
    let standard = Standard::new();
    let answer = serve(&standard.store).get(&narinfo_of(&standard.tree));
    assert!(answer.text().contains("\nReferences: \n"), "{}", answer.text());
}

#[test]
fn c10_references_are_base_names() {
    let standard = Standard::new();
    let answer = serve(&standard.store).get(&narinfo_of(&standard.top));
    assert_eq!(field(&answer, "References"), Some("kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt"));
}

#[test]
fn c11_a_path_that_refers_to_itself_says_so() {
    let standard = Standard::new();
    let answer = serve(&standard.store).get(&narinfo_of(&standard.itself));
    let references: Vec<_> = field(&answer, "References").unwrap().split(' ').collect();
    assert_eq!(references, [standard.itself.as_str(), standard.dep.as_str()]);
}

#[test]
fn c12_references_are_sorted_and_separated_by_single_spaces() {
    let mut store = FixtureStore::new();
    let others: Vec<_> = (0..20).map(|n| store.add("other", Tree::file(n.to_string()))).collect();
    // The order of registration is not the order of names.
    let path = store.insert(Entry::new("many", Tree::file("")).references(others.iter().rev()));
    let answer = serve(&store).get(&narinfo_of(&path));
    let mut sorted: Vec<_> = others.iter().map(|path| path.as_str()).collect();
    sorted.sort_unstable();
    assert_eq!(field(&answer, "References"), Some(&*sorted.join(" ")));
}

#[test]
fn c13_the_deriver_is_a_base_name_or_not_there() {
    let mut standard = Standard::new();
    let junk = standard.store.insert(Entry::new("junk", Tree::file("")).deriver("unknown-deriver"));
    let empty = standard.store.insert(Entry::new("empty", Tree::file("")).deriver(""));
    let server = serve(&standard.store);
    let answer = server.get(&narinfo_of(&standard.itself));
    assert_eq!(field(&answer, "Deriver"), Some("zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv"));
    for path in [&standard.tree, &junk, &empty] {
        let answer = server.get(&narinfo_of(path));
        answer.ok();
        assert_eq!(field(&answer, "Deriver"), None);
    }
}

#[test]
fn c14_c15_the_file_is_the_nar_and_says_so() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    for path in [&standard.tree, &standard.top, &standard.blob, &standard.link] {
        let answer = server.get(&narinfo_of(path));
        assert_eq!(field(&answer, "Compression"), Some("none"));
        assert_eq!(field(&answer, "FileHash"), field(&answer, "NarHash"));
        assert_eq!(field(&answer, "FileSize"), field(&answer, "NarSize"));
        assert_eq!(field(&answer, "NarHash"), Some(&*sha256(&standard.store.nar(path))));
    }
}

#[test]
fn c16_the_content_address_is_that_of_the_database() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let ca_of = |path| field(&server.get(&narinfo_of(path)), "CA").map(ToOwned::to_owned);
    assert_eq!(
        ca_of(&standard.tree).as_deref(),
        Some("fixed:r:sha256:1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5")
    );
    assert_eq!(
        ca_of(&standard.top).as_deref(),
        Some("text:sha256:15cf4hm1bnd97ln1mszxsgr3h1gmamq4hld5dvsl42xnam49jw83")
    );
    assert_eq!(ca_of(&standard.itself), None);
}

#[test]
fn c26_a_narinfo_is_lines_of_name_colon_space_value() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    for path in [&standard.tree, &standard.top, &standard.itself, &standard.special] {
        let answer = server.get(&narinfo_of(path));
        let text = answer.text();
        assert!(text.ends_with('\n') && !text.contains('\r') && !text.contains("\n\n"), "{text:?}");
        for line in text.lines() {
            let (name, value) = line.split_once(':').unwrap();
            assert!(name.chars().all(|c| c.is_ascii_alphabetic()), "{line:?}");
            assert!(value.starts_with(' ') && !value.starts_with("  "), "{line:?}");
        }
    }
}

#[test]
fn c27_without_accept_encoding_nothing_is_encoded() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    for target in ["/nix-cache-info".to_owned(), narinfo_of(&standard.tree)] {
        assert_eq!(server.get(&target).header("content-encoding"), None, "{target}");
    }
}

#[test]
fn c28_codings_that_clients_cannot_read_are_not_used() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let request = Request::get(narinfo_of(&standard.tree))
        .header("Accept-Encoding", "zstd, br, gzip, deflate, bzip2, xz");
    let answer = server.connect().send(&request);
    assert_eq!(answer.status(), 200);
    match answer.header("content-encoding") {
        None | Some("identity") => assert!(answer.text().starts_with("StorePath: ")),
        Some("zstd" | "br" | "gzip" | "deflate") => {
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"))
        }
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn c29_256_narinfos_at_once_over_one_http2_connection() {
    let mut store = FixtureStore::new();
    let paths: Vec<_> =
        (0..256).map(|n| store.add(&format!("p{n}"), Tree::file(n.to_string()))).collect();
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.crt");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.key");
    let server = server()
        .store(&store)
        .keys([SECRET_KEY])
        .listen(["tls://127.0.0.1:0"])
        .section(&format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}"))
        .start();
    let urls: String =
        paths.iter().map(|path| format!("{}{}\n", server.url(), narinfo_of(path))).collect();
    let list = server.scratch().write("urls", urls);
    let mut h2load = Command::new("h2load");
    h2load.args(["-n256", "-c1", "-m256", "-t1", "-i"]).arg(list);
    if !crate::support::is_installed("h2load") {
        return;
    }
    let said = run(&mut h2load, Duration::from_secs(60)).success().text();
    assert!(said.contains("256 total, 256 started, 256 done, 256 succeeded, 0 failed"), "{said}");
    assert!(said.contains("256 2xx, 0 3xx, 0 4xx, 0 5xx"), "{said}");
    assert!(said.contains("Application protocol: h2"), "{said}");
}

#[test]
fn c30_a_thousand_narinfos_one_after_another_over_one_connection() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let mut connection = server.connect();
    let paths = [&standard.tree, &standard.top, &standard.special];
    for n in 0..1000 {
        let path = paths[n % paths.len()];
        let answer = connection.send(&Request::get(narinfo_of(path)));
        assert_eq!(
            field(&answer, "StorePath"),
            Some(&*format!("/nix/store/{path}")),
            "request {n}"
        );
    }
}

#[test]
fn c31_two_thousand_references_are_one_line() {
    let mut store = FixtureStore::new();
    let mut others: Vec<_> =
        (0..2000).map(|n| store.add("other", Tree::file(n.to_string()))).collect();
    let path = store.insert(Entry::new("many", Tree::file("")).references(&others));
    let answer = serve(&store).get(&narinfo_of(&path));
    others.sort();
    let references: Vec<_> = field(&answer, "References").unwrap().split(' ').collect();
    assert_eq!(references, others.iter().map(|path| path.as_str()).collect::<Vec<_>>());
    assert_eq!(fields(&answer, "Sig").len(), 1);
}

#[test]
fn c32_a_name_with_every_special_character_needs_no_escaping() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let answer = server.get(&narinfo_of(&standard.special));
    assert_eq!(field(&answer, "StorePath"), Some(&*format!("/nix/store/{}", standard.special)));
    assert!(standard.special.as_str().ends_with("-a+b.c_d?e=f-1"));
    let url = field(&answer, "URL").unwrap();
    assert!(
        url.starts_with("nar/")
            && url.chars().all(|c| c.is_ascii_alphanumeric() || "/.-".contains(c)),
        "{url}"
    );
    assert!(server.get(&format!("/{url}")).ok() == standard.store.nar(&standard.special));
}

#[test]
fn c22_head_is_get_without_a_body_for_everything() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let hash = standard.tree.hash_part();
    for target in [
        narinfo_of(&standard.tree),
        format!("/{hash}.ls"),
        format!("/{}", field(&server.get(&narinfo_of(&standard.blob)), "URL").unwrap()),
        format!("/serve/{hash}/a"),
        "/".to_owned(),
        "/pubkey".to_owned(),
        "/version".to_owned(),
        "/healthz".to_owned(),
        "/readyz".to_owned(),
    ] {
        let (get, head) = (server.get(&target), server.head(&target));
        assert_eq!((get.status(), head.status()), (200, 200), "{target}");
        assert_eq!(head.body, b"", "{target}");
        assert_eq!(head.head.content_length(), Some(get.body.len() as u64), "{target}");
        assert_eq!(without_date(&head), without_date(&get), "{target}");
    }
    let missing = server.head("/00000000000000000000000000000000.narinfo");
    assert_eq!((missing.status(), missing.body.len()), (404, 0));
}

#[test]
fn json_is_the_same_narinfo_for_programs() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let answer = server.get(&format!("{}?json", narinfo_of(&standard.itself)));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json: serde_json::Value = serde_json::from_slice(answer.ok()).unwrap();
    assert_eq!(json["narSize"], standard.store.info(&standard.itself).nar_size);
    assert_eq!(json["references"].as_array().unwrap().len(), 2);
    assert!(json["signatures"][0].as_str().unwrap().starts_with("test-1:"));
    // Any other query means nothing.
    let plain = server.get(&narinfo_of(&standard.itself));
    assert_eq!(server.get(&format!("{}?x=1", narinfo_of(&standard.itself))).ok(), plain.ok());
}
