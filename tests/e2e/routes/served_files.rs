//! `/serve/<hash part>/<path>`: looking into store paths with a browser.

use std::os::unix::fs::symlink;

use rns_formats::StorePath;
use rns_testing::{Entry, FixtureStore, Server, Standard, Tree, http::Request};

use crate::support::{assert_refusal, serve, without_date};

/// A store path as documentation and programs leave it.
fn site() -> (FixtureStore, StorePath) {
    let hash = "5lwpdp8pj0ybv7x8cm0yvb1hyv4jd1k3";
    let links = Tree::directory([
        ("absolute", Tree::symlink(format!("/nix/store/{hash}-site/docs/guide.txt"))),
        ("chain", Tree::symlink("relative")),
        ("dangling", Tree::symlink("nothing")),
        ("directory", Tree::symlink("../docs")),
        ("elsewhere", Tree::symlink("/etc/passwd")),
        ("loop", Tree::symlink("loop")),
        ("other-path", Tree::symlink("/nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt")),
        ("relative", Tree::symlink("../docs/guide.txt")),
        ("up", Tree::symlink("../../../../../../etc/passwd")),
        ("up-one", Tree::symlink("../..")),
    ]);
    let tree = Tree::directory([
        (&b"caf\xe9"[..], Tree::file("latin 1")),
        (b"<b>\"&", Tree::file("markup")),
        (b"a b?#%+", Tree::file("odd")),
        (b"bin", Tree::directory([("tool", Tree::executable("\x7fELF"))])),
        (
            b"docs",
            Tree::directory([
                ("guide.txt", Tree::file("0123456789")),
                ("index.html", Tree::file("<script>alert(1)</script>")),
                ("logo.png", Tree::file("\u{89}PNG")),
                ("style.css", Tree::file("a{}")),
            ]),
        ),
        (b"empty", Tree::file("")),
        (b"links", links),
    ]);
    let mut store = FixtureStore::new();
    let path = store.insert(Entry::new("site", tree).hash_part(hash).self_reference());
    (store, path)
}

fn serving() -> (FixtureStore, Server, String) {
    let (store, path) = site();
    let server = serve(&store);
    (store, server, format!("/serve/{}", path.hash_part()))
}

#[test]
fn files_come_with_the_type_that_their_name_tells() {
    let (_store, server, base) = serving();
    for (name, body, content_type) in [
        ("docs/guide.txt", "0123456789", "text/plain; charset=utf-8"),
        ("docs/style.css", "a{}", "text/css; charset=utf-8"),
        ("docs/logo.png", "\u{89}PNG", "image/png"),
        ("bin/tool", "\x7fELF", "application/octet-stream"),
        ("empty", "", "application/octet-stream"),
        ("a%20b%3F%23%25+", "odd", "application/octet-stream"),
        ("caf%E9", "latin 1", "application/octet-stream"),
    ] {
        let answer = server.get(&format!("{base}/{name}"));
        assert_eq!(answer.ok(), body.as_bytes(), "{name}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{name}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let head = server.head(&format!("{base}/{name}"));
        assert_eq!(without_date(&head), without_date(&answer), "{name}");
    }
}

#[test]
fn parts_of_a_file_can_be_asked_for() {
    let (_store, server, base) = serving();
    let target = format!("{base}/docs/guide.txt");
    let part = |range: &str| server.connect().send(&Request::get(&target).header("Range", range));
    let middle = part("bytes=2-4");
    assert_eq!((middle.status(), middle.text()), (206, "234"));
    assert_eq!(middle.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(part("bytes=-2").text(), "89");
    assert_eq!(part("bytes=10-").status(), 416);
    let etag = server.get(&target).header("etag").unwrap().to_owned();
    let known = server.connect().send(&Request::get(&target).header("If-None-Match", etag));
    assert_eq!((known.status(), known.body.len()), (304, 0));
}

#[test]
fn a_page_from_a_store_path_can_do_nothing() {
    let (_store, server, base) = serving();
    for target in [format!("{base}/docs/"), format!("{base}/docs/index.html"), format!("{base}/")] {
        let answer = server.get(&target);
        answer.ok();
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{target}");
        let policy = answer.header("content-security-policy").unwrap();
        let directives: Vec<_> = policy.split(';').map(str::trim).collect();
        assert!(
            directives.contains(&"sandbox") && directives.contains(&"default-src 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("script") && !policy.contains("allow-"), "{policy}");
    }
}

#[test]
fn a_directory_is_its_index_or_a_list_of_links() {
    let (_store, server, base) = serving();
    assert_eq!(server.get(&format!("{base}/docs/")).ok(), b"<script>alert(1)</script>");
    let list = server.get(&format!("{base}/"));
    list.ok();
    for link in ["./bin/", "./docs/", "./empty", "./a%20b%3F%23%25+", "./caf%E9", "./%3Cb%3E%22%26"]
    {
        assert!(list.text().contains(&format!("href=\"{link}\"")), "{link}:\n{}", list.text());
    }
    assert!(!list.text().contains("<b>\""), "{}", list.text());
    // Links in a page are relative to the last slash.
    let redirect = server.get(&format!("{base}/docs"));
    assert_eq!((redirect.status(), redirect.header("location")), (308, Some("docs/")));
}

#[test]
fn links_lead_anywhere_inside_the_path() {
    let (_store, server, base) = serving();
    for name in ["relative", "chain", "absolute", "directory/guide.txt"] {
        assert_eq!(server.get(&format!("{base}/links/{name}")).ok(), b"0123456789", "{name}");
    }
}

#[test]
fn links_lead_nowhere_outside_the_path() {
    let (mut store, path) = site();
    let other = store.add("other", Tree::directory([("secret", Tree::file("secret"))]));
    symlink(store.real_path(&other), store.root().join("shortcut")).unwrap();
    let server = serve(&store);
    let base = format!("/serve/{}", path.hash_part());
    for name in [
        "elsewhere",
        "up",
        "up-one",
        "up-one/",
        "up-one/nix/var/nix/db/db.sqlite",
        "other-path",
        "loop",
        "dangling",
    ] {
        assert_refusal(&server.get(&format!("{base}/links/{name}")), 404);
    }
    for outside in [
        "../../../../etc/passwd",
        "..%2f..%2fetc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "docs/%00",
        "docs//../../x",
    ] {
        let answer = server.get(&format!("{base}/{outside}"));
        assert!(matches!(answer.status(), 400 | 404), "{outside}: {answer:?}");
    }
    assert_refusal(&server.get(&format!("{base}/docs/guide.txt/")), 404);
    assert_refusal(&server.get(&format!("{base}/docs/guide.txt/x")), 404);
}

#[test]
fn a_path_that_is_a_file_is_served_by_itself() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let answer = server.get(&format!("/serve/{}", standard.dep.hash_part()));
    assert_eq!(answer.ok(), b"dep contents\n");
    // The link is one to another path, which is not the one that was asked for.
    assert_refusal(&server.get(&format!("/serve/{}", standard.link.hash_part())), 404);
}
