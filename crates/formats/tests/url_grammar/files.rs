//! Files below a store path, and nothing outside of it.

use rns_formats::Resource;

use crate::support::{HASH, at};

fn served(url: &str) -> Option<(Vec<Vec<u8>>, bool)> {
    match at(&url.replace('H', HASH))? {
        Resource::Serve { hash, path } => {
            assert_eq!(hash, crate::support::hash());
            let components: Vec<_> = path.components().map(<[u8]>::to_vec).collect();
            assert_eq!(path.as_bytes(), components.join(&b'/'));
            assert_eq!(path.is_empty(), components.is_empty());
            Some((components, path.trailing_slash()))
        }
        other => panic!("{url} names {other:?}"),
    }
}

#[test]
fn files_below_a_store_path() {
    for (url, components, trailing_slash) in [
        ("/serve/H", &[][..], false),
        ("/serve/H/", &[], true),
        ("/serve/H//", &[], true),
        ("/serve/H/a", &[&b"a"[..]], false),
        ("/serve/H/a/", &[b"a"], true),
        ("/serve/H//a//b", &[b"a", b"b"], false),
        ("/serve/H/a%20b+c/%ff?x=/y/", &[b"a b+c", b"\xff"], false),
        ("/serve/H/.../.hidden/a..", &[b"...", b".hidden", b"a.."], false),
        ("/serve/H/%252e%252e", &[b"%2e%2e"], false),
    ] {
        assert_eq!(
            served(url),
            Some((components.iter().map(|name| name.to_vec()).collect(), trailing_slash)),
            "{url}"
        );
    }
}

#[test]
fn nothing_outside_a_store_path_is_served() {
    for url in [
        "/serve",
        "/serve/",
        "/serve/H/..",
        "/serve/H/.",
        "/serve/H/../x",
        "/serve/H/a/../../x",
        "/serve/H/%2e%2e/x",
        "/serve/H/.%2e",
        "/serve/H/a%2fb",
        "/serve/H/%2fetc/passwd",
        "/serve/H/a%00",
        "/serve/H/a%",
        "/serve/H-name/a",
        "/serve/../serve/H/a",
        "/serve/%2e%2e/H",
        "/serve//etc/passwd",
    ] {
        assert_eq!(served(url), None, "{url}");
    }
    assert!(served(&format!("/serve/H/{}", "n".repeat(255))).is_some());
    assert_eq!(served(&format!("/serve/H/{}", "n".repeat(256))), None);
}
