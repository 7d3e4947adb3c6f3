//! Each kind of object, sent as it goes over the wire.

use rns_formats::{Compression, NarInfo};
use rns_testing::{Standard, http::Request};

use super::{Pushable, packed, text_of};
use crate::support::{assert_refusal, field, fields, narinfo_of, private::with_token};

#[test]
fn c61_only_the_holder_of_a_push_token_pushes() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let (narinfo, file) = packed(
        standard.store.info(&standard.executable),
        &standard.store.nar(&standard.executable),
        Compression::Zstd,
    );
    let nar = format!("/{}", narinfo.url);
    let reader = crate::support::private::create(&cache.tokens, "reader", &["--allow", "read"]);
    crate::support::eventually(|| {
        let request = Request::new("PUT", "/nix-cache-info").body("x");
        cache.server.connect().send(&with_token(request, &reader)).status() == 403
    });
    for (target, body) in [
        (nar.clone(), file),
        (narinfo_of(&standard.executable), text_of(&narinfo).into_bytes()),
        ("/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv".to_owned(), b"built\n".to_vec()),
    ] {
        let request = Request::new("PUT", &target).body(body);
        let anonymous = cache.server.connect().send(&request);
        assert_refusal(&anonymous, 401);
        assert!(anonymous.head.header("www-authenticate").is_some());
        let wrong = with_token(request.clone(), crate::support::private::UNKNOWN);
        assert_refusal(&cache.server.connect().send(&wrong), 401);
        assert_refusal(&cache.server.connect().send(&with_token(request, &reader)), 403);
        assert_eq!(cache.server.get(&target).status(), 404, "nothing was stored");
    }
    cache.push(&standard, &standard.executable);
    assert_eq!(cache.server.get(&nar).status(), 200);
}

#[test]
fn c85_a_narinfo_is_visible_to_everybody_at_once_after_a_miss() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = narinfo_of(&standard.dep);
    let mut readers = [cache.server.connect(), cache.server.connect()];
    for reader in &mut readers {
        // The second one on a connection is answered before the framework sees it.
        for _ in 0..3 {
            assert_eq!(reader.send(&Request::get(&narinfo)).status(), 404);
        }
    }
    cache.push(&standard, &standard.dep);
    for reader in &mut readers {
        for _ in 0..3 {
            assert_eq!(reader.send(&Request::get(&narinfo)).status(), 200);
        }
    }
}

#[test]
fn c64_c69_a_path_without_its_nar_or_references_is_refused_with_their_names() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let (narinfo, file) = packed(
        standard.store.info(&standard.top),
        &standard.store.nar(&standard.top),
        Compression::None,
    );
    assert_refusal(&cache.put_narinfo(&narinfo), 409);
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    let refused = cache.put_narinfo(&narinfo);
    assert_refusal(&refused, 409);
    assert!(refused.text().contains(standard.dep.as_str()), "{}", refused.text());
    assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 404);
    cache.push(&standard, &standard.dep);
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
    assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 200);
}

#[test]
fn c70_c73_the_same_again_is_fine_and_a_body_that_never_came_is_not() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = cache.push(&standard, &standard.dep);
    let (_, file) = packed(
        standard.store.info(&standard.dep),
        &standard.store.nar(&standard.dep),
        Compression::Zstd,
    );
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file.clone()).status(), 201);
    assert_eq!(cache.put_narinfo(&narinfo).status(), 200);
    // Clients up to 2.32 announce a body on their second try, and send none.
    for sent in [0, file.len() - 1] {
        let (other, file) = packed(
            standard.store.info(&standard.executable),
            &standard.store.nar(&standard.executable),
            Compression::Zstd,
        );
        let target = format!("/{}", other.url);
        let request = with_token(Request::new("PUT", &target).body(file.clone()), &cache.token);
        let bytes = request.to_bytes();
        let mut connection = cache.server.connect();
        connection.send_raw(&bytes[..bytes.len() - file.len() + sent.min(file.len() - 1)]);
        connection.end_sending();
        assert!(connection.read_response().is_none_or(|answer| answer.status() >= 400));
        assert_eq!(cache.server.get(&target).status(), 404);
        assert_eq!(cache.server.head(&target).status(), 404);
    }
}

#[test]
fn a_path_is_deleted_with_the_permission_to() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.dep);
    let target = narinfo_of(&standard.dep);
    assert_refusal(&cache.send(Request::new("DELETE", &target)), 403);
    let remover = crate::support::private::create(&cache.tokens, "gc", &["--allow", "delete"]);
    let delete = || {
        let request = with_token(Request::new("DELETE", &target), &remover);
        cache.server.connect().send(&request).status()
    };
    crate::support::eventually(|| delete() == 200);
    assert_eq!(cache.server.get(&target).status(), 404);
    assert_eq!(delete(), 404);
}

#[test]
fn fields_that_are_not_of_the_server_survive_a_push() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let path = &standard.executable;
    let (narinfo, file) =
        packed(standard.store.info(path), &standard.store.nar(path), Compression::Zstd);
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    let provenance = r#"{"next":null,"type":"build"}"#;
    let text = format!("{}Provenance: {provenance}\nFuture: of 2030\n", text_of(&narinfo));
    assert_eq!(cache.put(&narinfo_of(path), text).status(), 201);
    let read = cache.server.get(&narinfo_of(path));
    assert_eq!(field(&read, "Provenance"), Some(provenance));
    assert_eq!(field(&read, "Future"), Some("of 2030"));
    // Signatures that come later leave them alone.
    let signatures = vec![format!("p384-1:{}", "A".repeat(128)).parse().unwrap()];
    assert_eq!(cache.put_narinfo(&NarInfo { signatures, ..narinfo }).status(), 200);
    let read = cache.server.get(&narinfo_of(path));
    assert_eq!(field(&read, "Provenance"), Some(provenance));
    assert_eq!((field(&read, "Future"), fields(&read, "Sig").len()), (Some("of 2030"), 2));
}

#[test]
fn signatures_that_claim_to_be_of_the_cache_are_not_stored() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let (mut narinfo, file) = packed(
        standard.store.info(&standard.executable),
        &standard.store.nar(&standard.executable),
        Compression::Zstd,
    );
    let forged = format!("test-1:{}==", "A".repeat(86));
    let post_quantum = format!("pq-1:{}", "A".repeat(4412));
    narinfo.signatures = [&forged, &post_quantum].map(|text| text.parse().unwrap()).to_vec();
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
    let file = cache.directory.join(narinfo_of(&standard.executable).trim_start_matches('/'));
    let stored = std::fs::read_to_string(file).unwrap();
    assert!(!stored.contains(&forged), "{stored}");
    assert!(stored.contains(&post_quantum) && stored.contains("Sig: test-1:"), "{stored}");
    let read = cache.server.get(&narinfo_of(&standard.executable));
    assert_eq!(fields(&read, "Sig").len(), 2);
    assert_eq!(field(&read, "Compression"), Some("zstd"));
    let _: NarInfo = narinfo;
}
