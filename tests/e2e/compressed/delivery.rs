//! NARs that are compressed once, sent to many, and resumed at any time.

use std::{fs, io::Read as _};

use rns_formats::StorePath;
use rns_testing::{
    Scratch, Server, Standard,
    http::{Request, Response},
};
use rustix::process::Signal;

use crate::support::compression::{compressed_url, compressing, large};
use crate::support::{
    assert_logged, assert_refusal, eventually, field, is_installed, narinfo_of, server, sha256,
    without_date,
};

struct Lab {
    standard: Standard,
    large: StorePath,
    scratch: Scratch,
}

impl Lab {
    fn new() -> Self {
        let mut standard = Standard::new();
        let large = large(&mut standard.store);
        Self { standard, large, scratch: Scratch::new() }
    }

    fn start(&self) -> Server {
        compressing(&self.standard.store, &self.scratch.join("nars"), "zstd").start()
    }

    /// The same as if nothing had ever been compressed.
    fn start_cold(&self) -> Server {
        _ = fs::remove_dir_all(self.scratch.join("nars"));
        self.start()
    }
}

fn url(server: &Server, path: &StorePath) -> String {
    format!("/{}", field(&server.get(&narinfo_of(path)), "URL").unwrap())
}

/// The URL of the large NAR without a question for its narinfo.
fn unasked_url(lab: &Lab) -> String {
    compressed_url(&lab.standard.store, &lab.large)
}

fn from(server: &Server, target: &str, start: usize) -> Response {
    server.connect().send(&Request::get(target).header("Range", format!("bytes={start}-")))
}

#[test]
fn a_nar_that_hardly_gets_smaller_is_offered_as_it_is() {
    let lab = Lab::new();
    let (server, packed) = (lab.start(), &lab.standard.blob);
    for _ in 0..2 {
        let narinfo = server.get(&narinfo_of(packed));
        assert_eq!(field(&narinfo, "Compression"), Some("none"));
        assert_eq!(field(&narinfo, "FileHash"), field(&narinfo, "NarHash"));
        let nar = server.get(&format!("/{}", field(&narinfo, "URL").unwrap()));
        assert!(nar.ok() == lab.standard.store.nar(packed));
    }
    // Who knows the other URL from before gets that one as well.
    let nar = server.get(&compressed_url(&lab.standard.store, packed));
    assert!(zstd::decode_all(nar.ok()).unwrap() == lab.standard.store.nar(packed));
}

#[test]
fn the_narinfo_of_a_small_nar_says_all_of_its_file() {
    let lab = Lab::new();
    let server = lab.start();
    for path in [&lab.standard.tree, &lab.standard.link, &lab.standard.bytes] {
        let narinfo = server.get(&narinfo_of(path));
        assert_eq!(field(&narinfo, "Compression"), Some("zstd"));
        let target = format!("/{}", field(&narinfo, "URL").unwrap());
        assert!(target.ends_with(".nar.zst"), "{target}");
        let nar = server.get(&target);
        assert!(zstd::decode_all(nar.ok()).unwrap() == lab.standard.store.nar(path), "{path}");
        assert_eq!(field(&narinfo, "FileHash"), Some(&*sha256(&nar.body)));
        assert_eq!(field(&narinfo, "FileSize"), Some(&*nar.body.len().to_string()));
        assert_eq!(field(&narinfo, "NarHash"), Some(&*sha256(&lab.standard.store.nar(path))));
        assert_eq!(nar.head.content_length(), Some(nar.body.len() as u64));
        assert_eq!(nar.header("accept-ranges"), Some("bytes"));
        assert_eq!(nar.header("content-encoding"), None);
        assert!(nar.header("cache-control").unwrap().contains("immutable"));
        assert_eq!(without_date(&server.head(&target)), without_date(&nar));
        assert!(
            server.get(target.strip_suffix(".zst").unwrap()).ok() == lab.standard.store.nar(path)
        );
    }
}

#[test]
fn a_large_nar_is_sent_while_it_is_made_and_described_when_it_is_done() {
    let lab = Lab::new();
    let server = lab.start();
    let target = unasked_url(&lab);
    let head = server.head(&target);
    assert_eq!((head.status(), head.head.content_length()), (200, None));
    let first = server.get(&target);
    assert!(zstd::decode_all(first.ok()).unwrap() == lab.standard.store.nar(&lab.large));
    assert_eq!(first.head.content_length(), None);
    assert_eq!(first.header("accept-ranges"), Some("bytes"));
    assert_eq!(without_date(&head), without_date(&first));
    let warm = server.get(&narinfo_of(&lab.large));
    assert_eq!(field(&warm, "Compression"), Some("zstd"));
    assert_eq!(field(&warm, "URL"), target.strip_prefix('/'));
    assert_eq!(field(&warm, "FileHash"), Some(&*sha256(&first.body)));
    assert_eq!(field(&warm, "FileSize"), Some(&*first.body.len().to_string()));
    let second = server.get(&target);
    assert!(second.ok() == first.body);
    assert_eq!(second.head.content_length(), Some(first.body.len() as u64));
    assert_eq!(without_date(&server.head(&target)), without_date(&second));
}

#[test]
fn the_narinfo_of_a_large_nar_is_complete_soon_after_it_was_asked_for() {
    let lab = Lab::new();
    let server = lab.start();
    let narinfo = || server.get(&narinfo_of(&lab.large));
    let first = narinfo();
    assert_eq!(field(&first, "Compression"), Some("zstd"));
    eventually(|| field(&narinfo(), "FileHash").is_some());
    let complete = narinfo();
    if field(&first, "FileHash").is_none() {
        assert_ne!(complete.header("etag"), first.header("etag"));
    }
    let nar = server.get(&url(&server, &lab.large));
    assert_eq!(nar.head.content_length(), Some(nar.body.len() as u64), "it is made");
    assert_eq!(field(&complete, "FileHash"), Some(&*sha256(nar.ok())));
    assert_eq!(field(&complete, "FileSize"), Some(&*nar.body.len().to_string()));
}

#[test]
fn a_client_of_http_1_0_is_told_the_length() {
    let lab = Lab::new();
    let server = lab.start();
    let mut connection = server.connect();
    connection.send_raw(format!("GET {} HTTP/1.0\r\n\r\n", url(&server, &lab.large)).as_bytes());
    let answer = connection.read_response().unwrap();
    assert_eq!(answer.head.content_length(), Some(answer.body.len() as u64));
    assert!(zstd::decode_all(answer.ok()).unwrap() == lab.standard.store.nar(&lab.large));
}

#[test]
fn bytes_and_etag_are_the_same_cold_warm_after_a_restart_and_without_a_cache() {
    let lab = Lab::new();
    let first = lab.start();
    let target = url(&first, &lab.large);
    let cold = first.get(&target);
    let etag = cold.header("etag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.contains("-zstd-3-"), "{etag}");
    let same = |answer: &Response, from: usize| {
        assert_eq!(answer.header("etag"), Some(&*etag));
        assert!(answer.complete && answer.body == cold.body[from..], "from {from}");
    };
    same(&first.get(&target), 0);
    drop(first);
    let second = lab.start();
    same(&second.get(&target), 0);
    same(&from(&second, &target, 1_000_000), 1_000_000);
    drop(second);
    let third = lab.start_cold();
    same(&from(&third, &target, 1_234_567), 1_234_567);
    drop(third);
    let nowhere = lab.scratch.write("file", "").join("nars");
    let without = compressing(&lab.standard.store, &nowhere, "zstd").start();
    same(&without.get(&target), 0);
    same(&from(&without, &target, 777_777), 777_777);
}

#[test]
fn parts_are_exact_whether_or_not_the_file_is_finished() {
    let lab = Lab::new();
    let server = lab.start();
    for path in [&lab.large, &lab.standard.blob] {
        let target = url(&server, path);
        let part = from(&server, &target, 1_000_000);
        assert_eq!(part.status(), 206);
        let whole = server.get(&target);
        let len = whole.ok().len();
        assert!(part.complete && part.body == whole.body[1_000_000..]);
        assert_eq!(
            part.header("content-range"),
            Some(&*format!("bytes 1000000-{}/{len}", len - 1))
        );
        assert_eq!(part.head.content_length(), Some(len as u64 - 1_000_000));
        let last = server.connect().send(&Request::get(&target).header("Range", "bytes=-7"));
        assert!(last.status() == 206 && last.body == whole.body[len - 7..]);
        let nothing = from(&server, &target, len);
        assert_eq!(
            (nothing.status(), nothing.header("content-range")),
            (416, Some(&*format!("bytes */{len}")))
        );
        let known = Request::get(&target).header("If-None-Match", whole.header("etag").unwrap());
        assert_eq!(server.connect().send(&known).status(), 304);
    }
}

#[test]
fn xz_and_other_levels_can_be_had() {
    let lab = Lab::new();
    let section = format!(
        "[nar_cache]\ncompression = \"xz\"\nlevel = 1\ndirectory = {:?}\n",
        lab.scratch.join("nars")
    );
    let server = server().store(&lab.standard.store).section(&section).start();
    let narinfo = server.get(&narinfo_of(&lab.standard.tree));
    assert_eq!(field(&narinfo, "Compression"), Some("xz"));
    let target = format!("/{}", field(&narinfo, "URL").unwrap());
    let answer = server.get(&target);
    let mut nar = Vec::new();
    xz2::read::XzDecoder::new(answer.ok()).read_to_end(&mut nar).unwrap();
    assert!(nar == lab.standard.store.nar(&lab.standard.tree));
    assert!(answer.header("etag").unwrap().contains("-xz-1-"));
    // Clients remember the URLs of another compression for a month.
    let zstd = server.get(&target.replace(".xz", ".zst"));
    assert!(zstd::decode_all(zstd.ok()).unwrap() == nar);
}

#[test]
fn nothing_is_compressed_that_nobody_wants_compressed() {
    let lab = Lab::new();
    let plain = server().store(&lab.standard.store).start();
    let narinfo = plain.get(&narinfo_of(&lab.standard.blob));
    assert_eq!(field(&narinfo, "Compression"), Some("none"));
    assert_refusal(&plain.get(&format!("/{}.zst", field(&narinfo, "URL").unwrap())), 404);
    let directory = lab.scratch.join("small");
    let section = format!(
        "[nar_cache]\ncompression = \"zstd\"\nsize = \"1MiB\"\ndirectory = {directory:?}\n"
    );
    let small = server().store(&lab.standard.store).section(&section).start();
    let narinfo = small.get(&narinfo_of(&lab.standard.blob));
    assert_eq!(field(&narinfo, "Compression"), Some("none"));
    assert_eq!(field(&narinfo, "FileHash"), field(&narinfo, "NarHash"));
    assert_eq!(field(&small.get(&narinfo_of(&lab.standard.tree)), "Compression"), Some("zstd"));
}

#[test]
fn names_that_stand_for_no_compressed_nar_are_misses() {
    let lab = Lab::new();
    let server = lab.start();
    let target = url(&server, &lab.standard.tree);
    for wrong in [
        target.replace(".zst", ".bz2"),
        target.replace(".zst", ".br"),
        format!("/nar/{}", target.split_once('-').unwrap().1),
        target.replace(
            &lab.standard.tree.hash_part().to_string(),
            &lab.standard.dep.hash_part().to_string(),
        ),
    ] {
        assert_refusal(&server.get(&wrong), 404);
    }
    let short = format!("/nar/{}.nar.zst", lab.standard.tree.hash_part());
    assert!(server.get(&short).ok() == server.get(&target).ok());
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_compression_leaves_a_download_that_can_be_resumed() {
    let lab = Lab::new();
    let mut server = lab.start();
    let target = url(&server, &lab.large);
    let mut connection = server.connect();
    let (head, mut body) = connection.start(&Request::get(&target));
    let mut bytes = vec![0; 300_000];
    let mut read = 0;
    while read < bytes.len() {
        read += connection.read_body(&mut body, &mut bytes[read..]);
    }
    server.signal(Signal::KILL);
    server.wait(std::time::Duration::from_secs(5));
    let server = lab.start();
    let rest = from(&server, &target, read);
    assert_eq!((rest.status(), rest.header("etag")), (206, head.header("etag")));
    bytes.extend(rest.body);
    assert!(zstd::decode_all(&*bytes).unwrap() == lab.standard.store.nar(&lab.large));
    let stale = || {
        let entries = fs::read_dir(lab.scratch.join("nars")).unwrap();
        entries
            .filter(|entry| {
                entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("tmp-")
            })
            .count()
    };
    eventually(|| stale() == 0);
}

#[test]
fn a_full_disk_costs_nobody_a_download() {
    if !is_installed("unshare") {
        return;
    }
    let lab = Lab::new();
    let directory = lab.scratch.join("nars");
    fs::create_dir(&directory).unwrap();
    // A disk of two megabytes that only this server sees.
    let mount = format!(
        "mount -t tmpfs -o size=2m none {} && exec {} \"$@\"",
        directory.display(),
        env!("CARGO_BIN_EXE_rust-nix-serve")
    );
    let probe = std::process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c"])
        .arg(format!("mount -t tmpfs -o size=2m none {}", directory.display()))
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no mount namespaces here");
        return;
    }
    let script =
        format!("#!/bin/sh\nexec unshare --mount --map-root-user sh -c '{mount}' sh \"$@\"\n");
    let script = lab.scratch.write("server", script);
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let section = format!("[nar_cache]\ncompression = \"zstd\"\ndirectory = {directory:?}\n");
    let server = Server::builder(script).store(&lab.standard.store).section(&section).start();
    let target = url(&server, &lab.large);
    let nar = server.get(&target);
    assert!(nar.body.len() > 3 << 20, "{}", nar.body.len());
    assert!(zstd::decode_all(nar.ok()).unwrap() == lab.standard.store.nar(&lab.large));
    let rest = from(&server, &target, 3_000_000);
    assert!(rest.status() == 206 && rest.body == nar.body[3_000_000..]);
    let blob = server.get(&compressed_url(&lab.standard.store, &lab.standard.blob));
    assert!(zstd::decode_all(blob.ok()).unwrap() == lab.standard.store.nar(&lab.standard.blob));
    assert_logged(&server, "cannot be written");
}

#[test]
fn what_the_cache_does_is_counted() {
    let lab = Lab::new();
    let server = lab.start();
    let target = unasked_url(&lab);
    let len = server.get(&target).ok().len();
    server.get(&target).ok();
    let metrics = server.get("/metrics").text().to_owned();
    for line in [
        format!("rust_nix_serve_nar_cache_bytes {len}"),
        "rust_nix_serve_nar_cache_lookups_total{result=\"hit\"} 1".to_owned(),
        "rust_nix_serve_nar_cache_lookups_total{result=\"miss\"} 1".to_owned(),
        "rust_nix_serve_nar_cache_evictions_total 0".to_owned(),
        "rust_nix_serve_compressions_running 0".to_owned(),
        "rust_nix_serve_compressions_total 1".to_owned(),
    ] {
        assert!(metrics.lines().any(|there| there == line), "{line} is not in\n{metrics}");
    }
}
