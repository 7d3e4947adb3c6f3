//! Clients with a token that mean no good, or are broken.

use std::{collections::BTreeSet, thread};

use rns_formats::{Compression, NarInfo, Sha256Digest, StorePath};
use rns_testing::{FixtureStore, Standard, Tree, http::Request};

use super::{Pushable, packed, text_of};
use crate::support::{assert_refusal, eventually, field, fields, narinfo_of, private::with_token};

/// So many signatures by unknown names, of 4,000 bytes each.
fn signatures(mark: char, count: usize) -> Vec<rns_formats::Signature> {
    let signature = |number| format!("{mark}{number}-1:{}", "A".repeat(4_000)).parse().unwrap();
    (0..count).map(signature).collect()
}

#[test]
fn signatures_that_are_added_do_not_make_a_narinfo_too_large_to_be_read() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let path = &standard.executable;
    let narinfo = cache.push(&standard, path);
    let add = |mark, count| {
        let signatures = signatures(mark, count);
        cache.put_narinfo(&NarInfo { signatures, ..narinfo.clone() })
    };
    assert_eq!(add('a', 12).status(), 200);
    for mark in 'b'..'f' {
        assert_refusal(&add(mark, 12), 413);
        assert_refusal(&add(mark, 450), 413);
    }
    // The same ones again need no room.
    assert_eq!(add('a', 12).status(), 200);
    let read = cache.server.get(&narinfo_of(path));
    assert_eq!((read.status(), fields(&read, "Sig").len()), (200, 13));

    let (mut other, file) = packed(
        standard.store.info(&standard.dep),
        &standard.store.nar(&standard.dep),
        Compression::Zstd,
    );
    assert_eq!(cache.put(&format!("/{}", other.url), file).status(), 201);
    other.signatures = signatures('x', 20);
    assert_refusal(&cache.put_narinfo(&other), 413);
    assert_eq!(cache.server.get(&narinfo_of(&standard.dep)).status(), 404);
}

#[test]
fn a_narinfo_with_thousands_of_missing_references_is_refused_in_few_words() {
    let upstream = Pushable::new();
    let section = format!("[upload]\nassume_upstream = [{:?}]", upstream.server.url());
    let (standard, cache) = (Standard::new(), Pushable::with(|builder| builder.section(&section)));
    let (mut narinfo, file) = packed(
        standard.store.info(&standard.executable),
        &standard.store.nar(&standard.executable),
        Compression::Zstd,
    );
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    narinfo.ca = None;
    let missing = |number| StorePath::parse(&format!("{number:032}-missing")).unwrap();
    narinfo.references = (0..20_000).map(missing).collect();
    let answered = |server: &rns_testing::Server| {
        let metrics = server.get("/metrics");
        let line = "rust_nix_serve_requests_total{kind=\"narinfo\",status=\"4xx\"} ";
        let lines = metrics.text().lines();
        lines.filter_map(|text| text.strip_prefix(line)?.parse::<u64>().ok()).sum::<u64>()
    };
    let before = answered(&upstream.server);
    let refused = cache.put_narinfo(&narinfo);
    assert_refusal(&refused, 409);
    assert!(refused.text().len() < 1024 && refused.text().contains("-missing"));
    let asked = answered(&upstream.server) - before;
    assert!(asked < 200, "the upstream was asked {asked} times");
    // Too many for any client.
    narinfo.references = (0..20_001).map(missing).collect();
    assert_refusal(&cache.put_narinfo(&narinfo), 400);
    assert_eq!(cache.server.get(&narinfo_of(&standard.executable)).status(), 404);
}

#[test]
fn a_reference_to_a_path_of_an_upstream_under_another_name_is_missing() {
    let (standard, upstream) = (Standard::new(), Pushable::new());
    upstream.push(&standard, &standard.dep);
    let section = format!("[upload]\nassume_upstream = [{:?}]", upstream.server.url());
    let cache = Pushable::with(|builder| builder.section(&section));
    let (mut narinfo, file) = packed(
        standard.store.info(&standard.top),
        &standard.store.nar(&standard.top),
        Compression::Zstd,
    );
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    narinfo.ca = None;
    let other = StorePath::parse(&format!("{}-other", standard.dep.hash_part())).unwrap();
    narinfo.references = [other].into();
    assert_refusal(&cache.put_narinfo(&narinfo), 409);
    narinfo.references = [standard.dep.clone()].into();
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
}

#[test]
fn of_uploads_of_one_name_at_the_same_time_only_the_right_bytes_are_kept() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let nar = standard.store.nar(&standard.blob);
    let (narinfo, file) = packed(standard.store.info(&standard.blob), &nar, Compression::None);
    let target = format!("/{}", narinfo.url);
    let mut altered = file.clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut middle = file.clone();
    middle[file.len() / 2] ^= 1;
    let bodies = [&file, &altered, &middle, &file];
    thread::scope(|scope| {
        for body in bodies.into_iter().cycle().take(12) {
            let (cache, target) = (&cache, &target);
            let is_right = *body == file;
            scope.spawn(move || {
                let status = cache.put(target, body.clone()).status();
                // One that comes when the right one is there is acknowledged and dropped.
                assert!(status == 201 || (status == 400 && !is_right), "{status}");
            });
        }
    });
    assert!(cache.server.get(&target).body == file);
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
    let left = std::fs::read_dir(cache.directory.join("nar")).unwrap();
    assert_eq!(left.count(), 1, "nothing unfinished is left");
}

#[test]
fn a_path_is_whole_or_not_there_while_it_is_deleted_and_pushed_and_asked_for() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let path = &standard.executable;
    let (narinfo, file) =
        packed(standard.store.info(path), &standard.store.nar(path), Compression::Zstd);
    let remover = crate::support::private::create(&cache.tokens, "gc", &["--allow", "delete"]);
    let delete = || {
        let request = with_token(Request::new("DELETE", narinfo_of(path)), &remover);
        cache.server.connect().send(&request).status()
    };
    eventually(|| delete() == 404);
    let nar = format!("/{}", narinfo.url);
    thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            for _ in 0..40 {
                assert_eq!(cache.put(&nar, file.clone()).status(), 201);
                // It may be deleted in between, with its NAR.
                let status = cache.put_narinfo(&narinfo).status();
                assert!(matches!(status, 200 | 201 | 409), "{status}");
                // A pusher that is told that a NAR is there need not send it.
                let request = with_token(Request::new("HEAD", format!("/push{nar}")), &cache.token);
                assert!(matches!(cache.server.connect().send(&request).status(), 200 | 404));
            }
        });
        while !pushing.is_finished() {
            assert!(matches!(delete(), 200 | 404));
        }
    });
    assert_eq!(cache.put(&nar, file.clone()).status(), 201);
    assert!(matches!(cache.put_narinfo(&narinfo).status(), 200 | 201));
    let read = cache.server.get(&narinfo_of(path));
    assert_eq!(field(&read, "URL"), Some(narinfo.url.as_str()));
    assert!(cache.server.get(&nar).body == file);
}

#[test]
fn a_client_that_sends_next_to_nothing_makes_room_for_others() {
    let limits = "[limits]\nuploads = 1\nstall_timeout = \"8s\"";
    let (standard, cache) = (Standard::new(), Pushable::with(|builder| builder.section(limits)));
    let packed =
        |path| packed(standard.store.info(path), &standard.store.nar(path), Compression::None);
    let (slow, file) = packed(&standard.blob);
    let request = Request::new("PUT", format!("/{}", slow.url)).body(file);
    let bytes = with_token(request, &cache.token).to_bytes();
    let mut connection = cache.server.connect();
    connection.send_raw(&bytes[..bytes.len() / 2]);
    eventually(|| {
        cache.server.get("/metrics").text().contains("rust_nix_serve_uploads_in_flight 1\n")
    });
    // While none waits it may take its time; then it is told to go.
    let (other, file) = packed(&standard.dep);
    assert_eq!(cache.put(&format!("/{}", other.url), file).status(), 201);
    let refused = connection.read_response().unwrap();
    assert_refusal(&refused, 503);
    assert!(refused.text().contains("others waited"), "{}", refused.text());
    assert_eq!(cache.server.get(&format!("/{}", slow.url)).status(), 404);
}

#[test]
fn no_spelling_of_a_name_is_stored_anywhere_else() {
    let cache = Pushable::new();
    let hash = Sha256Digest::of(b"x").to_nix32();
    let names = [
        format!("/nar/%2e%2e/{hash}.nar"),
        format!("/nar/..%2f..%2f{hash}.nar"),
        format!("/nar/{hash}.nar%00"),
        format!("/nar/{hash}.nar/x"),
        format!("/nar/{hash}%2enar/../x"),
        format!("/nar/{}.nar", hash.to_uppercase()),
        format!("/nar/{hash}.nar.exe"),
        "/nar/\u{fc}\u{2603}.nar".to_owned(),
        "/nar/%c3%bc.nar".to_owned(),
        "/log/..".to_owned(),
        "/log/%2e%2e%2fnix-cache-info".to_owned(),
        "/log/%ff.drv".to_owned(),
        "/debuginfo/../../x.debug".to_owned(),
        "/realisations/sha256:x!out.doi".to_owned(),
        format!("/realisations/sha256:{}!..%2fx.doi", "0".repeat(64)),
        "/build-trace-v2/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-x.drv/..%2f..%2fx.doi".to_owned(),
        "/.rust-nix-serve/index.sqlite".to_owned(),
        "/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm.narinfo%2f".to_owned(),
    ];
    let everything = || {
        let mut found = BTreeSet::new();
        let mut folders = vec![cache.directory.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path);
                }
            }
        }
        found
    };
    let before = everything();
    for name in names {
        let answer = cache.send(Request::new("PUT", &name).body("x"));
        assert!((400..500).contains(&answer.status()), "{name}: {answer:?}");
        assert!(cache.directory.parent().unwrap().read_dir().unwrap().count() <= 1, "{name}");
    }
    // The index may have files of its own beside it.
    let new: Vec<_> = everything().difference(&before).cloned().collect();
    assert!(new.iter().all(|file| file.to_str().unwrap().contains("index.sqlite")), "{new:?}");
}

#[test]
fn a_path_that_refers_to_itself_and_to_nothing_else_is_taken() {
    let (mut store, cache) = (FixtureStore::new(), Pushable::new());
    let path = store.add("itself", Tree::file("alone"));
    let (mut narinfo, file) = packed(store.info(&path), &store.nar(&path), Compression::Zstd);
    narinfo.ca = None;
    narinfo.references = [path.clone()].into();
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
    assert_eq!(field(&cache.server.get(&narinfo_of(&path)), "References"), Some(path.as_str()));
    assert!(text_of(&narinfo).contains(path.as_str()));
}
