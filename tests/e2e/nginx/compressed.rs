//! nginx sends compressed NARs from the cache by itself.

use std::fs;

use rns_testing::{Scratch, Server, Standard, http::Request};

use crate::support::nginx::Front;
use crate::{
    support::compression::{compressed_url, compressing, large},
    support::{PUBLIC_KEY, field, full, is_installed, narinfo_of, nixes},
};

struct Lab {
    standard: Standard,
    large: rns_formats::StorePath,
    scratch: Scratch,
    server: Server,
    front: Front,
}

impl Lab {
    /// `None` where there is no nginx.
    fn new(directory_of_nginx: Option<&str>) -> Option<Self> {
        if !is_installed("nginx") {
            return None;
        }
        let (mut standard, scratch) = (Standard::new(), Scratch::new());
        let large = large(&mut standard.store);
        let (socket, directory) = (scratch.join("nginx.sock"), scratch.join("nars"));
        let listen = format!("unix:{}", socket.display());
        let server = compressing(&standard.store, &directory, "zstd")
            .section(&format!("[nginx]\nlisten = {listen:?}\nlocation = \"/nar-cache/\"\n"))
            .listen(["127.0.0.1:0", &listen])
            .start();
        let directory = directory_of_nginx.map_or(directory, |name| scratch.join(name));
        let front = Front::start(&listen, &directory);
        Some(Self { standard, large, scratch, server, front })
    }

    fn target(&self, path: &rns_formats::StorePath) -> String {
        format!("/{}", field(&self.front.get(&narinfo_of(path)), "URL").unwrap())
    }
}

#[test]
fn nginx_sends_files_of_the_cache_with_the_same_validator_and_ranges() {
    let Some(lab) = Lab::new(None) else { return };
    let target = lab.target(&lab.large);
    let cold = lab.front.get(&target);
    assert!(zstd::decode_all(cold.ok()).unwrap() == lab.standard.store.nar(&lab.large));
    let etag = cold.header("etag").unwrap().to_owned();
    let sent_before = sent(&lab.server);
    let warm = lab.front.get(&target);
    assert!(warm.ok() == cold.body);
    assert_eq!(sent(&lab.server), sent_before, "nginx has read the file itself");
    assert_eq!(warm.head.content_length(), Some(cold.body.len() as u64));
    assert_eq!((warm.header("etag"), warm.header("last-modified")), (Some(&*etag), None));
    assert_eq!(warm.header("content-type"), Some("application/x-nix-nar"));
    assert_eq!(warm.header("accept-ranges"), Some("bytes"));
    assert!(warm.header("cache-control").unwrap().contains("immutable"));
    assert_eq!(warm.header("x-accel-redirect"), None);
    let part = lab.front.send(&Request::get(&target).header("Range", "bytes=1000000-"));
    assert!(part.status() == 206 && part.body == cold.body[1_000_000..]);
    assert_eq!(part.header("etag"), Some(&*etag));
    let head = lab.front.send(&Request::head(&target));
    assert_eq!(
        (head.head.content_length(), head.header("etag")),
        (Some(cold.body.len() as u64), Some(&*etag))
    );
    let known = lab.front.send(&Request::get(&target).header("If-None-Match", &etag));
    assert_eq!(known.status(), 304);
    let direct = lab.server.get(&target);
    assert!(direct.ok() == cold.body && direct.header("etag") == Some(&etag));
}

#[test]
fn others_than_nginx_get_the_bytes() {
    let Some(lab) = Lab::new(None) else { return };
    let target = lab.target(&lab.large);
    let bytes = lab.front.get(&target).body;
    for value in ["on", "/nar-cache/x", ""] {
        let answer =
            lab.server.connect().send(&Request::get(&target).header("X-Accel-Redirect", value));
        assert!(answer.ok() == bytes);
        assert_eq!(answer.header("x-accel-redirect"), None);
    }
}

#[test]
fn the_internal_location_is_nobodys_business() {
    let Some(lab) = Lab::new(None) else { return };
    lab.front.get(&lab.target(&lab.large)).ok();
    let entry = fs::read_dir(lab.scratch.join("nars")).unwrap().next().unwrap().unwrap();
    let name = entry.file_name().into_string().unwrap();
    let location = format!("/nar-cache/{name}");
    for target in [
        location.clone(),
        format!("/%6ear-cache/{name}"),
        format!("//nar-cache/{name}"),
        format!("/nar/../nar-cache/{name}"),
        format!("/nar-cache/./{name}"),
        format!("/nar-cache%2f{name}"),
        format!("/nar-cache//{name}"),
        "/nar-cache/".to_owned(),
    ] {
        assert_eq!(lab.front.get(&target).status(), 404, "{target}");
        assert_eq!(lab.server.get(&target).status(), 404, "{target}");
        let insisting = Request::get(&target).header("X-Accel-Redirect", &location);
        assert_eq!(lab.front.send(&insisting).status(), 404, "{target}");
        let off = Request::get(&target).header("X-Accel-Redirect", "off");
        assert_eq!(lab.front.send(&off).status(), 404, "{target}");
    }
}

#[test]
fn a_file_that_nginx_does_not_find_is_downloaded_all_the_same() {
    let Some(lab) = Lab::new(Some("elsewhere")) else { return };
    for path in [&lab.large, &lab.standard.blob] {
        let target = compressed_url(&lab.standard.store, path);
        let cold = lab.front.get(&target);
        assert!(zstd::decode_all(cold.ok()).unwrap() == lab.standard.store.nar(path));
        let warm = lab.front.get(&target);
        assert!(warm.ok() == cold.body);
        assert_eq!(warm.header("etag"), cold.header("etag"));
        let part = lab.front.send(&Request::get(&target).header("Range", "bytes=1000000-"));
        assert!(part.status() == 206 && part.body == cold.body[1_000_000..]);
        assert_eq!(part.header("etag"), cold.header("etag"));
    }
    assert!(lab.front.nginx.stderr().contains("No such file"), "{}", lab.front.nginx.stderr());
}

#[test]
fn real_nix_takes_what_nginx_sends() {
    for nix in nixes() {
        let Some(lab) = Lab::new(None) else { return };
        let url = format!("http://127.0.0.1:{}", lab.front.port);
        for _ in 0..2 {
            let client = nix.client().substituting_from(&url, PUBLIC_KEY);
            let paths = [&lab.large, &lab.standard.blob, &lab.standard.itself];
            client.realise(paths.map(full)).success();
            for path in paths {
                assert!(
                    client.dump(&client.real_path(path.as_str())) == lab.standard.store.nar(path),
                    "{path}"
                );
            }
        }
    }
}

/// Bytes of NARs that the server has sent.
fn sent(server: &Server) -> String {
    let metrics = server.get("/metrics");
    let line = metrics
        .text()
        .lines()
        .find(|line| line.starts_with("rust_nix_serve_response_bytes_total{kind=\"nar\"}"));
    line.unwrap_or_default().to_owned()
}
