//! `storage verify` over paths that refer to paths of an upstream.

use rns_testing::Standard;

use super::commands::{json, storage, url_of};
use crate::{
    support::narinfo_of,
    uploads::{Pushable, packed, text_of},
};

/// The variable that names an upstream.
fn with_upstream(url: &str) -> [(&'static str, String); 1] {
    [("RUST_NIX_SERVE_UPLOAD_ASSUME_UPSTREAM", url.to_owned())]
}

#[test]
fn a_reference_that_an_upstream_has_is_no_fault() {
    let (standard, upstream) = (Standard::new(), Pushable::new());
    upstream.push(&standard, &standard.dep);
    let section = format!("[upload]\nassume_upstream = [{:?}]", upstream.server.url());
    let cache = Pushable::with(|builder| builder.section(&section));
    cache.push(&standard, &standard.top);
    let url = url_of(&cache.directory);
    let is_there = || cache.server.get(&narinfo_of(&standard.top)).status() == 200;
    let repair = ["verify", "--content", "--repair"];

    let named = with_upstream(upstream.server.url());
    let done = json(&repair, &url, &named);
    assert_eq!((&done["withdrawn"], &done["unmended"]), (&0.into(), &0.into()), "{done}");
    assert!(is_there());

    // A command that names no upstream cannot tell which references are missing.
    let found = storage(&repair, &url, &[]);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    let dep = standard.dep.hash_part();
    assert!(found.text().contains(&format!("it refers to {dep}, which is missing")), "{found:?}");
    assert!(found.stderr.contains("upload.assume_upstream"), "{}", found.stderr);
    assert!(is_there());

    // An upstream that cannot be asked may have it.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done = json(&repair, &url, &with_upstream(&format!("http://{away}")));
    assert_eq!((&done["withdrawn"], &done["unmended"]), (&0.into(), &0.into()), "{done}");
    assert!(is_there());

    // One that certainly does not have it.
    let empty = Pushable::new();
    let done = json(&repair, &url, &with_upstream(empty.server.url()));
    assert_eq!((&done["withdrawn"], &done["unmended"]), (&1.into(), &0.into()), "{done}");
    crate::support::eventually(|| !is_there());
}

/// A NAR that was stored, and whose bytes were lost before a narinfo named it: by a power loss, or by a rule of the bucket.
#[test]
fn a_nar_that_lost_its_bytes_is_sent_again_and_names_no_path_until_then() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let path = &standard.blob;
    let (narinfo, file) = packed(
        standard.store.info(path),
        &standard.store.nar(path),
        rns_formats::Compression::Zstd,
    );
    let (nar, stored) = (format!("/{}", narinfo.url), cache.directory.join(&narinfo.url));
    let head = || cache.send(rns_testing::http::Request::new("HEAD", nar.as_str())).status();
    for damage in [&b"short"[..], b""] {
        assert_eq!(cache.put(&nar, file.clone()).status(), 201);
        assert_eq!(head(), 200);
        std::fs::write(&stored, damage).unwrap();
        assert_eq!(head(), 404);
        let refused = cache.put_narinfo(&narinfo);
        assert_eq!(refused.status(), 409, "{}", refused.text());
        assert_eq!(cache.server.get(&narinfo_of(path)).status(), 404);
    }
    // Nor does one that another program left here.
    let other = Pushable::new();
    let lies = other.directory.join(&narinfo.url);
    std::fs::create_dir_all(lies.parent().unwrap()).unwrap();
    std::fs::write(&lies, &file[..file.len() / 2]).unwrap();
    let head = || other.send(rns_testing::http::Request::new("HEAD", nar.as_str())).status();
    assert_eq!(head(), 200, "it is not known to be wrong");
    let refused = other.put(&narinfo_of(path), text_of(&narinfo));
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("send it again"), "{}", refused.text());
    assert_eq!(head(), 404, "the client sends it");
    for cache in [&cache, &other] {
        assert_eq!(cache.put(&nar, file.clone()).status(), 201);
        assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
        assert!(std::fs::read(cache.directory.join(&narinfo.url)).unwrap() == file);
    }
}
