//! Uploads: narinfos and documents.

use std::{io::Write as _, thread};

use rns_formats::{
    BuildTraceEntry, Compression, DrvOutputId, NarInfo, Realisation, SecretKey, Sha256Digest,
    StoreDir, StorePath, StorePathName,
};
use rns_testing::{Standard, http::Request};

use crate::{
    support::{PUBLIC_KEY, SECRET_KEY, assert_refusal, field, fields, narinfo_of},
    uploads::{Pushable, packed, text_of},
};

/// A path that was not pushed, and whose NAR was.
fn nar_only(cache: &Pushable, standard: &Standard) -> NarInfo {
    let path = &standard.executable;
    let (narinfo, file) =
        packed(standard.store.info(path), &standard.store.nar(path), Compression::Zstd);
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    narinfo
}

/// That this narinfo is refused and nothing of it is visible.
#[track_caller]
fn assert_refused(cache: &Pushable, target: &str, text: impl Into<Vec<u8>>, status: u16) {
    assert_refusal(&cache.put(target, text), status);
    assert_eq!(cache.server.get(target).status(), 404);
}

#[test]
fn c65_a_narinfo_has_the_name_of_its_path() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = nar_only(&cache, &standard);
    assert_refused(&cache, &narinfo_of(&standard.link), text_of(&narinfo), 400);
    assert_eq!(cache.server.get(&narinfo_of(&standard.executable)).status(), 404);
}

#[test]
fn c66_a_narinfo_names_a_nar_of_this_cache() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = nar_only(&cache, &standard);
    let target = narinfo_of(&standard.executable);
    for url in [
        "https://other.example.org/nar/x.nar.zst".to_owned(),
        format!("{}/{}", cache.server.url(), narinfo.url),
        format!("/{}", narinfo.url),
        format!("../{}", narinfo.url),
        format!("nar/../{}", narinfo.url),
        format!("{}?x=1", narinfo.url),
        "nar-cache-info".to_owned(),
    ] {
        assert_refused(&cache, &target, text_of(&NarInfo { url, ..narinfo.clone() }), 400);
    }
}

#[test]
fn c68_hashes_and_sizes_of_a_narinfo_are_those_of_the_nar() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = nar_only(&cache, &standard);
    let target = narinfo_of(&standard.executable);
    let other = Sha256Digest::of(b"other");
    for wrong in [
        NarInfo { nar_hash: other, ..narinfo.clone() },
        NarInfo { nar_size: narinfo.nar_size + 8, ..narinfo.clone() },
        NarInfo { file_hash: Some(other.into()), ..narinfo.clone() },
        NarInfo { file_size: Some(1), ..narinfo.clone() },
        NarInfo { compression: Compression::Xz, ..narinfo.clone() },
    ] {
        assert_refused(&cache, &target, text_of(&wrong), 400);
    }
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
}

#[test]
fn c71_signatures_of_a_second_narinfo_are_added() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = cache.push(&standard, &standard.executable);
    for key in ["a-1", "b-1"] {
        let signature = format!("{key}:{}==", "A".repeat(86)).parse().unwrap();
        let more = NarInfo { signatures: vec![signature], ..narinfo.clone() };
        assert_eq!(cache.put_narinfo(&more).status(), 200);
    }
    let read = cache.server.get(&narinfo_of(&standard.executable));
    let mut keys: Vec<_> =
        fields(&read, "Sig").iter().map(|sig| sig.split(':').next().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a-1", "b-1", "test-1"]);
}

#[test]
fn c72_of_two_builds_of_a_path_the_first_stays() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let first = cache.push(&standard, &standard.executable);
    let nar = standard.store.nar(&standard.tree);
    let mut info = standard.store.info(&standard.executable).clone();
    (info.nar_hash, info.nar_size) = (Sha256Digest::of(&nar), nar.len() as u64);
    let (other, file) = packed(&info, &nar, Compression::None);
    assert_eq!(cache.put(&format!("/{}", other.url), file).status(), 201);
    assert_eq!(cache.put_narinfo(&other).status(), 200);
    let read = cache.server.get(&narinfo_of(&standard.executable));
    assert_eq!(field(&read, "URL"), Some(first.url.as_str()));
    assert_eq!(field(&read, "NarHash"), Some(first.nar_hash.to_string().as_str()));
}

#[test]
fn c76_documents_come_back_as_they_were_sent() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = cache.push(&standard, &standard.dep);
    let listing = r#"{"root":{"size":13,"type":"regular"},"version":1}"#;
    let realisation = format!(
        r#"{{"dependentRealisations":{{}},"id":"sha256:{}!out","outPath":"{}","signatures":[]}}"#,
        "0".repeat(64),
        standard.dep
    );
    let trace = format!(r#"{{"outPath":"{}","signatures":[]}}"#, standard.dep);
    let debug = format!(r#"{{"archive":"../{}","member":"lib/x.debug"}}"#, narinfo.url);
    let derivation = "zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv";
    let listing_name = format!("/{}.ls", standard.dep.hash_part());
    for (target, body) in [
        (listing_name.clone(), listing.to_owned()),
        (format!("/log/{derivation}"), "building\nbuilt\n".to_owned()),
        ("/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-ca-+x=1?y.drv".to_owned(), "odd\n".to_owned()),
        (format!("/debuginfo/{}.debug", "ab".repeat(20)), debug),
        (format!("/realisations/sha256:{}!out.doi", "0".repeat(64)), realisation),
        (format!("/build-trace-v2/{derivation}/out.doi"), trace),
    ] {
        assert_eq!(cache.server.head(&target).status(), 404, "{target}");
        assert_eq!(cache.put(&target, body.clone()).status(), 201, "{target}");
        let (read, head) = (cache.server.get(&target), cache.server.head(&target));
        assert_eq!((read.status(), head.status()), (200, 200), "{target}");
        if read.text().starts_with('{') {
            let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_json_within(&json(&body), &json(read.text()));
        } else {
            assert_eq!(read.text(), body);
        }
        assert_eq!(cache.put(&target, body).status(), 201, "{target} again");
    }
    for (target, body) in [
        (listing_name, "not json"),
        (format!("/realisations/sha256:{}!out.doi", "1".repeat(64)), "{}"),
        (format!("/debuginfo/{}.debug", "cd".repeat(20)), r#"{"archive":"../../x","member":"y"}"#),
    ] {
        assert_refusal(&cache.put(&target, body), 400);
    }
}

/// That everything that was sent is read. Signatures of the cache may be added.
#[track_caller]
fn assert_json_within(sent: &serde_json::Value, read: &serde_json::Value) {
    for (name, value) in sent.as_object().unwrap() {
        if name != "signatures" {
            assert_eq!(read.get(name), Some(value), "{name} in {read}");
        }
    }
}

/// The shortest form of Brotli, for up to 65,536 bytes: the data as it is.
fn brotli(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() - 1).unwrap();
    let head = (length << 4 | 1 << 20).to_le_bytes();
    [&head[..3], data, &[3]].concat()
}

#[test]
fn c77_what_is_compressed_for_its_way_is_stored_as_it_was() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = nar_only(&cache, &standard);
    let target = narinfo_of(&standard.executable);
    let text = text_of(&narinfo);
    let xz = {
        use std::io::Read as _;
        let mut packed = Vec::new();
        xz2::read::XzEncoder::new(text.as_bytes(), 1).read_to_end(&mut packed).unwrap();
        packed
    };
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let bzip2 = {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let plain = text.clone().into_bytes();
    for (encoding, body) in [
        ("xz", xz),
        ("zstd", zstd),
        ("gzip", gzip),
        ("bzip2", bzip2),
        ("br", brotli(text.as_bytes())),
        ("none", plain),
    ] {
        let request = Request::new("PUT", &target).header("Content-Encoding", encoding).body(body);
        assert!(matches!(cache.send(request).status(), 200 | 201), "{encoding}");
        let read = cache.server.get(&target);
        assert!(read.head.header("content-encoding").is_none());
        assert_eq!(field(&read, "URL"), Some(narinfo.url.as_str()), "{encoding}");
    }
    for (encoding, body) in [("zstd", &b"no zstd"[..]), ("rot13", text.as_bytes())] {
        let request = Request::new("PUT", narinfo_of(&standard.link));
        let request = request.header("Content-Encoding", encoding).body(body);
        assert_refusal(&cache.send(request), 400);
    }
    // More than anything of its kind may have, in a few bytes.
    let bomb = zstd::encode_all(&vec![b' '; 80 << 20][..], 1).unwrap();
    let hash = standard.link.hash_part();
    for target in [
        narinfo_of(&standard.link),
        format!("/{hash}.ls"),
        format!("/log/{hash}-x.drv"),
        format!("/debuginfo/{}.debug", "ab".repeat(20)),
        "/nix-cache-info".to_owned(),
    ] {
        let request = Request::new("PUT", &target).header("Content-Encoding", "zstd");
        assert_refusal(&cache.send(request.body(bomb.clone())), 413);
    }
}

#[test]
fn c78_c79_the_cache_info_stays_and_other_names_are_refused() {
    let cache = Pushable::new();
    let before = cache.server.get("/nix-cache-info");
    assert_eq!(cache.put("/nix-cache-info", "StoreDir: /elsewhere\n").status(), 200);
    assert_eq!(cache.server.get("/nix-cache-info").text(), before.text());
    let stored = std::fs::read_to_string(cache.directory.join("nix-cache-info")).unwrap();
    assert!(stored.contains("StoreDir: /nix/store\n"), "{stored}");
    for target in ["/foo", "/nar/foo", "/x.narinfo", "/../x", "/pubkey", "/serve/x", "/"] {
        let refused = cache.put(target, "x").status();
        assert!(matches!(refused, 403..=405), "{target}: {refused}");
    }
}

#[test]
fn c80_uploads_of_one_path_at_the_same_time_leave_one_consistent_pair() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let info = standard.store.info(&standard.blob);
    let nar = standard.store.nar(&standard.blob);
    let kinds = [Compression::None, Compression::Zstd];
    let uploads: Vec<_> = kinds.iter().map(|kind| packed(info, &nar, *kind)).collect();
    thread::scope(|scope| {
        for (narinfo, file) in uploads.iter().cycle().take(8) {
            let cache = &cache;
            scope.spawn(move || {
                assert_eq!(cache.put(&format!("/{}", narinfo.url), file.clone()).status(), 201);
                assert!(matches!(cache.put_narinfo(narinfo).status(), 200 | 201));
            });
        }
    });
    let read = cache.server.get(&narinfo_of(&standard.blob));
    let (narinfo, file) =
        uploads.iter().find(|(sent, _)| Some(&*sent.url) == field(&read, "URL")).unwrap();
    assert_eq!(field(&read, "Compression"), Some(narinfo.compression.name()));
    assert!(cache.server.get(&format!("/{}", narinfo.url)).body == *file);
}

/// The key whose signature is required. It is for tests only.
fn required_key() -> SecretKey {
    SecretKey::parse("ci-1:TxYr32PPRzSsckW/L+v+DAueu9Aa538t8rwHPYpZZh160KIooFm05428G1z/4gRahkhEh91sf3YHe27vF/rgwQ==").unwrap()
}

#[test]
fn c84_the_output_of_a_derivation_needs_it_whatever_its_path_is() {
    let key = required_key();
    let section = format!("[upload]\nrequire_signature_by = [\"{}\"]", key.public_key());
    let (standard, cache) = (Standard::new(), Pushable::with(|builder| builder.section(&section)));
    // It is content-addressed, and taken without a signature.
    cache.push(&standard, &standard.dep);
    let mut realisation = Realisation {
        id: DrvOutputId::parse(&format!("sha256:{}!out", "0".repeat(64))).unwrap(),
        out_path: standard.dep.clone(),
        signatures: Vec::new(),
        dependent_realisations: Default::default(),
    };
    let derivation = "zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv";
    let mut entry = BuildTraceEntry {
        drv_path: StorePath::parse(derivation).unwrap(),
        output_name: StorePathName::parse("out").unwrap(),
        out_path: standard.dep.clone(),
        signatures: Vec::new(),
    };
    let targets = [
        format!("/realisations/{}.doi", realisation.id),
        format!("/build-trace-v2/{derivation}/out.doi"),
    ];
    // Without one, with one that only claims to be of that key, and with that of the cache.
    let forged: rns_formats::Signature = format!("ci-1:{}==", "A".repeat(86)).parse().unwrap();
    let own = SecretKey::parse(SECRET_KEY).unwrap();
    for number in 0..3 {
        match number {
            0 => {}
            1 => {
                realisation.signatures.push(forged.clone());
                entry.signatures.push(forged.clone());
            }
            _ => {
                realisation.sign(&own);
                entry.sign(&own);
            }
        }
        assert_refused(&cache, &targets[0], realisation.to_json(), 403);
        assert_refused(&cache, &targets[1], entry.to_json(), 403);
    }
    realisation.sign(&key);
    entry.sign(&key);
    for (target, json) in targets.iter().zip([realisation.to_json(), entry.to_json()]) {
        assert_eq!(cache.put(target, json).status(), 201, "{target}");
        let file = cache.directory.join(target.trim_start_matches('/'));
        let stored = std::fs::read_to_string(file).unwrap();
        assert!(!stored.contains(&"A".repeat(86)), "what is forged is not stored: {stored}");
    }
}

#[test]
fn c84_a_signature_that_is_required_must_be_there() {
    let key = required_key();
    let public = key.public_key();
    let section = format!("[upload]\nrequire_signature_by = [\"{public}\"]");
    let (standard, cache) = (Standard::new(), Pushable::with(|builder| builder.section(&section)));
    let mut narinfo = nar_only(&cache, &standard);
    let target = narinfo_of(&standard.executable);
    assert_refused(&cache, &target, text_of(&narinfo), 403);
    // One that only claims to be of that key.
    narinfo.signatures = vec![format!("ci-1:{}==", "A".repeat(86)).parse().unwrap()];
    assert_refused(&cache, &target, text_of(&narinfo), 403);
    // The key of the cache is another one.
    let own = SecretKey::parse(SECRET_KEY).unwrap();
    assert_eq!(own.public_key().to_string(), PUBLIC_KEY);
    let fingerprint = narinfo.fingerprint(&StoreDir::default());
    narinfo.signatures = vec![own.sign(&fingerprint)];
    assert_refused(&cache, &target, text_of(&narinfo), 403);
    narinfo.signatures = vec![key.sign(&fingerprint)];
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
    // Content-addressed.
    cache.push(&standard, &standard.dep);
}
