//! Where pushes go: the reading address, the push address, and paths that need not be pushed.

use rns_formats::{Compression, StorePath};
use rns_testing::{
    FixtureStore, Proxy, Scratch, Server, Standard, Tree,
    http::{Request, Response},
};

use super::{Pushable, packed, text_of};
use crate::support::{
    SECRET_KEY, assert_refusal, eventually, full, narinfo_of, nixes,
    private::{create, with_token},
    server,
};

/// A server with a local store and a storage below it, and a token that pushes.
fn with_both(local: &FixtureStore, more: &str) -> (Server, String, Scratch) {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.join("cache")).unwrap();
    let storage = format!("file://{}", scratch.join("cache").display());
    let builder = server().store(local).keys([SECRET_KEY]);
    let tokens = builder.scratch().join("tokens");
    let token = create(&tokens, "ci", &["--allow", "push,read"]);
    let sections = format!(
        "[storage]\nurl = {storage:?}\n[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]\n{more}"
    );
    (builder.section(&sections).start(), token, scratch)
}

fn send(server: &Server, token: &str, request: Request) -> Response {
    server.connect().send(&with_token(request, token))
}

#[test]
fn beside_a_local_store_pushes_go_to_the_push_address() {
    let mut local = FixtureStore::new();
    let own = local.add("own", Tree::file("collected tomorrow"));
    let standard = Standard::new();
    let (server, token, _scratch) = with_both(&local, "");
    let refused = send(&server, &token, Request::new("PUT", narinfo_of(&own)).body("x"));
    assert_refusal(&refused, 405);
    assert!(refused.text().contains("http://cache.test/push"), "{}", refused.text());
    assert_eq!(refused.head.header("allow"), Some("GET, HEAD"));

    let config = server.get("/api/cache-config");
    let config: serde_json::Value = serde_json::from_str(config.text()).unwrap();
    assert_eq!(config["url"], "http://cache.test");
    assert_eq!(config["pushUrl"], "http://cache.test/push");
    assert_eq!(config["needsToken"], false);

    // A pusher is not told of paths that only the local store has.
    let push = |target: &str| format!("/push{target}");
    assert_eq!(server.get(&narinfo_of(&own)).status(), 200);
    assert_eq!(server.get(&push(&narinfo_of(&own))).status(), 404);
    assert_eq!(server.get(&push("/nix-cache-info")).status(), 200);

    for nix in nixes() {
        let client = nix.client().with_root(standard.store.root());
        let to = format!("{}/push?compression=zstd", server.url());
        let to = to.replace("://", &format!("://ci:{token}@"));
        let path = full(&standard.itself);
        client.nix_command(["copy", "--no-check-sigs", "--to", &to, &path]).success();
        // A pushed path is read at the reading address.
        let reader = nix.client();
        let from = server.url();
        reader.nix_command(["copy", "--no-check-sigs", "--from", from, &path]).success();
        assert_eq!(server.get(&push(&narinfo_of(&standard.itself))).status(), 200);
    }
}

#[test]
fn what_an_upstream_has_is_neither_pushed_nor_missed() {
    for nix in nixes() {
        let standard = Standard::new();
        // The upstream has `dep`, and not its referrer.
        let upstream = Pushable::new();
        let narinfo = upstream.push(&standard, &standard.dep);
        let section = format!("[upload]\nassume_upstream = [{:?}]", upstream.server.url());
        let cache = Pushable::with(|builder| builder.section(&section));
        let proxy = Proxy::recording(cache.server.address());
        let to = format!("{}/push", proxy.url());
        let to = to.replace("://", &format!("://ci:{}@", cache.token));
        let client = nix.client().with_root(standard.store.root());
        let path = full(&standard.top);
        client.nix_command(["copy", "--no-check-sigs", "--to", &to, &path]).success();
        let puts: Vec<_> =
            proxy.request_lines().into_iter().filter(|line| line.starts_with("PUT ")).collect();
        let top = format!("PUT /push{}", narinfo_of(&standard.top));
        assert!(puts.iter().any(|line| line.starts_with(&top)), "{puts:?}");
        let dep = standard.dep.hash_part().to_string();
        assert!(!puts.iter().any(|line| line.contains(&dep)), "{puts:?}");
        // Its NAR is at the upstream.
        let shown = cache.server.get(&format!("/push{}", narinfo_of(&standard.dep)));
        let url = crate::support::field(&shown, "URL").unwrap().to_owned();
        assert_eq!(url, format!("{}/{}", upstream.server.url(), narinfo.url));
        assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 200);
        assert_eq!(cache.server.get(&narinfo_of(&standard.dep)).status(), 404);
    }
}

#[test]
fn an_upstream_that_is_away_has_nothing() {
    let standard = Standard::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let section = format!("[upload]\nassume_upstream = [\"http://127.0.0.1:{port}\"]");
    let cache = Pushable::with(|builder| builder.section(&section));
    let (narinfo, file) = packed(
        standard.store.info(&standard.top),
        &standard.store.nar(&standard.top),
        Compression::None,
    );
    assert_eq!(cache.put(&format!("/{}", narinfo.url), file).status(), 201);
    let answer = cache.put_narinfo(&narinfo);
    assert_refusal(&answer, 409);
}

#[test]
fn a_token_with_paths_pushes_these_and_sees_no_others() {
    let standard = Standard::new();
    // Such a token does not take away the permissions of anonymous clients.
    let cache = Pushable::with(|builder| builder.env("RUST_NIX_SERVE_ACCESS_ANONYMOUS", ""));
    let file = &cache.tokens;
    let some = create(file, "some", &["--allow", "push,read", "--paths", "run*,self-*"]);
    let put = |path: &StorePath| {
        let (narinfo, nar) =
            packed(standard.store.info(path), &standard.store.nar(path), Compression::None);
        let nar = Request::new("PUT", format!("/{}", narinfo.url)).body(nar);
        let narinfo = Request::new("PUT", narinfo_of(path)).body(text_of(&narinfo));
        (send(&cache.server, &some, nar).status(), send(&cache.server, &some, narinfo))
    };
    eventually(|| put(&standard.executable).1.status() < 300);
    let (nar, narinfo) = put(&standard.link);
    assert_eq!(nar, 201);
    assert_refusal(&narinfo, 403);
    cache.push(&standard, &standard.dep);
    let see = |path: &StorePath| {
        let target = format!("/push{}", narinfo_of(path));
        send(&cache.server, &some, Request::get(target)).status()
    };
    assert_eq!((see(&standard.executable), see(&standard.dep)), (200, 404));
    let log = |name: &str| {
        let target = format!("/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-{name}.drv");
        send(&cache.server, &some, Request::new("PUT", target).body("built")).status()
    };
    assert_eq!((log("self-1.0"), log("dep.txt")), (201, 403));
}

/// Otherwise it could find out which paths there are, and keep them from being collected.
#[test]
fn a_token_with_paths_refers_to_no_others() {
    let (standard, upstream) = (Standard::new(), Pushable::new());
    let section = format!("[upload]\nassume_upstream = [{:?}]", upstream.server.url());
    let cache = Pushable::with(|builder| builder.section(&section));
    let some = create(&cache.tokens, "some", &["--allow", "push", "--paths", "top*"]);
    let both = create(&cache.tokens, "both", &["--allow", "push", "--paths", "top*,dep*"]);
    let top = &standard.top;
    let (narinfo, file) =
        packed(standard.store.info(top), &standard.store.nar(top), Compression::None);
    let put = |token: &str| {
        let request = Request::new("PUT", narinfo_of(top)).body(text_of(&narinfo));
        send(&cache.server, token, request)
    };
    let nar = Request::new("PUT", format!("/{}", narinfo.url)).body(file);
    eventually(|| send(&cache.server, &both, nar.clone()).status() < 300);
    let unknown = put(&some);
    assert_refusal(&unknown, 409);
    cache.push(&standard, &standard.dep);
    let hidden = put(&some);
    assert_refusal(&hidden, 409);
    assert_eq!(hidden.text(), unknown.text());
    assert_eq!(put(&both).status(), 201);

    let other = Pushable::with(|builder| builder.section(&section));
    let some = create(&other.tokens, "some", &["--allow", "push", "--paths", "top*"]);
    let put = |target: String, body: Vec<u8>| {
        send(&other.server, &some, Request::new("PUT", target).body(body)).status()
    };
    upstream.push(&standard, &standard.dep);
    let (narinfo, file) =
        packed(standard.store.info(top), &standard.store.nar(top), Compression::None);
    let nar = format!("/{}", narinfo.url);
    eventually(|| put(nar.clone(), file.clone()) < 300);
    assert_eq!(put(narinfo_of(top), text_of(&narinfo).into_bytes()), 201);
}

#[test]
fn a_token_with_paths_writes_nothing_about_others() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let some = create(&cache.tokens, "some", &["--allow", "push", "--paths", "run*"]);
    cache.push(&standard, &standard.dep);
    let put = |token: &str, target: &str, body: &str| {
        send(&cache.server, token, Request::new("PUT", target).body(body)).status()
    };
    let is_there = |target: &str| cache.directory.join(target.trim_start_matches('/')).exists();
    let listing = r#"{"root":{"narOffset":96,"size":1,"type":"regular"},"version":1}"#;
    let of_dep = format!("/{}.ls", standard.dep.hash_part());
    let of_run = format!("/{}.ls", standard.executable.hash_part());
    let debug_info = format!("/debuginfo/{}.debug", "ab".repeat(20));
    let debug = format!(r#"{{"archive":"../nar/{}.nar","member":"x"}}"#, "0".repeat(52));
    // Clients would end with an error, and send listings before they say the name.
    eventually(|| put(&some, &of_run, listing) == 200);
    assert_eq!((put(&some, &of_dep, listing), put(&some, &debug_info, &debug)), (200, 200));
    assert!(!is_there(&of_dep) && !is_there(&of_run) && !is_there(&debug_info));
    cache.push(&standard, &standard.executable);
    assert_eq!(put(&some, &of_run, listing), 201);
    for (target, body) in [(&of_dep, listing), (&debug_info, debug.as_str())] {
        assert_eq!(put(&cache.token, target, body), 201);
    }
    assert!(is_there(&of_dep) && is_there(&of_run) && is_there(&debug_info));
}

/// A client builds or runs the path of a realisation, under any name.
#[test]
fn a_token_with_paths_says_nothing_about_outputs_of_other_derivations() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let some = create(&cache.tokens, "some", &["--allow", "push", "--paths", "run*"]);
    let path = &standard.executable;
    cache.push(&standard, path);
    let put = |token: &str, target: &str, body: &str| {
        send(&cache.server, token, Request::new("PUT", target).body(body)).status()
    };
    let id = format!("sha256:{}!out", "0".repeat(64));
    let of_hash = format!("/realisations/{id}.doi");
    let realisation = format!(
        r#"{{"dependentRealisations":{{}},"id":"{id}","outPath":"{path}","signatures":[]}}"#
    );
    let trace = |name: &str| format!("/build-trace-v2/{}-{name}.drv/out.doi", path.hash_part());
    let entry = format!(r#"{{"outPath":"{path}","signatures":[]}}"#);
    eventually(|| put(&some, &of_hash, &realisation) == 200);
    assert_eq!(cache.server.get(&of_hash).status(), 404, "its derivation may be any");
    assert_eq!(put(&some, &trace("bash"), &entry), 403);
    assert_eq!(cache.server.get(&trace("bash")).status(), 404);
    assert_eq!(put(&some, &trace("run"), &entry), 201);
    assert_eq!(put(&cache.token, &of_hash, &realisation), 201);
}

#[test]
fn a_pusher_that_reads_is_told_of_what_lay_there_before_the_index() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.dep);
    let directory = cache.directory.clone();
    std::fs::remove_dir_all(directory.join(".rust-nix-serve")).unwrap();
    let again = Pushable::with(|builder| {
        let url = format!("file://{}", directory.display());
        builder.env("RUST_NIX_SERVE_STORAGE_URL", &url)
    });
    assert_eq!(again.send(Request::get(narinfo_of(&standard.dep))).status(), 200);
    again.push(&standard, &standard.top);
}
