//! Roots: a client pins paths that it has pushed, and lets go of them.

mod page;

use std::{fs, path::Path, process::Command, time::Duration};

use rns_formats::StorePath;
use rns_testing::{
    S3Server, Scratch, ServerBuilder, Standard,
    http::{Request, Response},
    run,
};
use serde_json::Value;

use super::{Pushable, clients::copy, reload::reload_server};
use crate::support::{
    SECRET_KEY, assert_refusal, full, nixes,
    private::{create, with_token},
    server,
};

const JSON: &str = "application/json";

/// A cache, and a token that pins.
struct Pinnable {
    cache: Pushable,
    token: String,
}

impl Pinnable {
    fn with(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let mut token = String::new();
        let cache = Pushable::with(|builder| {
            token = create(&builder.scratch().join("tokens"), "pinner", &["--allow", "read,pin"]);
            change(builder)
        });
        Self { cache, token }
    }

    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn send(&self, request: Request) -> Response {
        let request = with_token(request.header("Accept", JSON), &self.token);
        self.cache.server.connect().send(&request)
    }

    fn pin(&self, target: &str, paths: &[&StorePath]) -> Response {
        self.send(Request::new("PUT", target).body(body(paths)))
    }

    fn get(&self, target: &str) -> Value {
        json(&self.send(Request::get(target)))
    }
}

fn body(paths: &[&StorePath]) -> String {
    paths.iter().map(|path| format!("{}\n", full(path))).collect()
}

fn json(answer: &Response) -> Value {
    assert_eq!(answer.head.header("content-type"), Some(JSON), "{}", answer.text());
    serde_json::from_str(answer.text()).unwrap()
}

fn revisions(root: &Value) -> Vec<u64> {
    let revisions = root["revisions"].as_array().unwrap().iter();
    revisions.map(|revision| revision["revision"].as_u64().unwrap()).collect()
}

#[test]
fn a_pushed_closure_is_pinned_by_one_request() {
    for nix in nixes() {
        let (standard, pins) = (Standard::new(), Pinnable::new());
        copy(&nix, &standard, &pins.cache.url(), &[&standard.top, &standard.blob]);
        let set = json(&pins.pin("/gcroots/project/main?label=first", &[&standard.top]));
        assert_eq!((&set["name"], &set["revision"]), (&"project/main".into(), &1.into()));
        assert_eq!(set["paths"][0], full(&standard.top));
        assert_eq!((&set["expires"], &set["pusher"]), (&Value::Null, &"token pinner".into()));

        // At the push address as well, and by hash part alone.
        let hash = standard.blob.hash_part().to_string();
        let put = Request::new("PUT", "/push/gcroots/blob").body(hash);
        assert_eq!(json(&pins.send(put))["paths"][0], full(&standard.blob));
        let list = pins.get("/gcroots?sizes=1");
        let names: Vec<_> =
            list["roots"].as_array().unwrap().iter().map(|root| &root["name"]).collect();
        assert_eq!(names, ["blob", "project/main"]);
        assert_eq!(list["next"], Value::Null);
        let size = &list["roots"][1]["size"];
        assert!(size["paths"].as_u64().unwrap() >= 2, "{list}");
        assert_eq!(size["freed_bytes"], size["bytes"], "nothing else needs it");
        assert!(list["sizes_as_of"].as_str().unwrap().starts_with("20"), "{list}");
        assert_eq!(pins.get("/gcroots?limit=1")["next"], "blob");
        assert_eq!(pins.get("/gcroots?after=blob")["roots"][0]["name"], "project/main");

        let delete = || pins.send(Request::new("DELETE", "/gcroots/blob"));
        assert_eq!(delete().status(), 200);
        assert_eq!(delete().status(), 404);
        assert_eq!(pins.send(Request::get("/gcroots/blob")).status(), 404);
        let text = with_token(Request::get("/gcroots"), &pins.token);
        let text = pins.cache.server.connect().send(&text);
        assert!(text.text().starts_with("project/main  revision 1  set 20"), "{}", text.text());
        assert_eq!(text.text().lines().count(), 1);
    }
}

#[test]
fn a_root_that_misses_something_is_refused_with_its_name() {
    let (standard, pins) = (Standard::new(), Pinnable::new());
    pins.cache.push(&standard, &standard.dep);
    let refused = pins.pin("/gcroots/a", &[&standard.dep, &standard.top]);
    assert_eq!(refused.status(), 409);
    let refused = json(&refused);
    assert_eq!(refused["missing"], serde_json::json!([standard.top.hash_part().to_string()]));
    let request = Request::new("PUT", "/gcroots/a").body(body(&[&standard.top]));
    let text = pins.cache.server.connect().send(&with_token(request, &pins.token));
    assert_refusal(&text, 409);
    let hash = standard.top.hash_part().to_string();
    assert!(text.text().contains(&hash), "{}", text.text());
    assert_eq!(pins.send(Request::get("/gcroots/a")).status(), 404);
    for (target, body) in [
        ("/gcroots/a", ""),
        ("/gcroots/a", "/etc/passwd"),
        ("/gcroots/a?day=7", standard.dep.as_str()),
        ("/gcroots/a?days=0", standard.dep.as_str()),
        ("/gcroots/a?revisions=1000", standard.dep.as_str()),
        ("/gcroots/a%20b", standard.dep.as_str()),
        ("/gcroots/a.json", standard.dep.as_str()),
    ] {
        let answer = pins.send(Request::new("PUT", target).body(body));
        assert_eq!(answer.status(), 400, "{target}: {}", answer.text());
    }
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(pins.send(Request::new("PUT", "/gcroots/a").body(large)).status(), 413);
    assert_eq!(pins.send(Request::new("PUT", "/gcroots").body("x")).status(), 405);
    assert_eq!(pins.get("/gcroots")["roots"], serde_json::json!([]));
}

#[test]
fn the_newest_revisions_stay_and_rules_end_them() {
    let (standard, pins) = (
        Standard::new(),
        Pinnable::with(|builder| {
            builder.section("[retention.rules.pr]\nroots = [\"pr/*\"]\ndays = 7\nrevisions = 2")
        }),
    );
    for path in [&standard.dep, &standard.top, &standard.blob] {
        pins.cache.push(&standard, path);
    }
    for path in [&standard.dep, &standard.top, &standard.blob] {
        assert_eq!(pins.pin("/gcroots/main?revisions=5&days=90", &[path]).status(), 200);
        assert_eq!(pins.pin("/gcroots/pr/1?revisions=5&days=90", &[path]).status(), 200);
    }
    let main = pins.get("/gcroots/main");
    assert_eq!(revisions(&main), [3, 2, 1]);
    assert_eq!(main["revisions"][0]["paths"][0], full(&standard.blob));
    // The same once more changes only its end.
    pins.pin("/gcroots/main?revisions=5", &[&standard.blob]);
    let again = pins.get("/gcroots/main");
    assert_eq!(revisions(&again), [3, 2, 1]);
    assert_eq!(again["revisions"][0]["expires"], Value::Null);
    let request = pins.get("/gcroots/pr/1");
    assert_eq!(revisions(&request), [3, 2]);
    let days = |root: &Value| {
        let day = |key: &str| root["revisions"][0][key].as_str().unwrap()[..10].to_owned();
        (day("created"), day("expires"))
    };
    let (created, expires) = days(&request);
    assert_ne!(created, expires);
    assert_ne!(days(&main).1, expires, "90 days, and 7 by the rule");
    pins.pin("/gcroots/main", &[&standard.dep]);
    assert_eq!(revisions(&pins.get("/gcroots/main")), [4]);
}

#[test]
fn rules_hold_from_a_reload_on() {
    let standard = Standard::new();
    let mut pins = Pinnable::with(|builder| builder.section("[retention]\nkeep_roots = true"));
    pins.cache.push(&standard, &standard.blob);
    let expires = |pins: &Pinnable| {
        assert_eq!(pins.pin("/gcroots/pr/1?days=90", &[&standard.blob]).status(), 200);
        pins.get("/gcroots/pr/1")["revisions"][0]["expires"].as_str().unwrap().to_owned()
    };
    let before = expires(&pins);
    let rule = "keep_roots = true\n[retention.rules.pr]\nroots = [\"pr/*\"]\ndays = 7";
    reload_server(&mut pins.cache.server, "keep_roots = true", rule);
    let after = expires(&pins);
    assert!(after < before, "{after} is not earlier than {before}");
}

#[test]
fn who_may_pin_is_said_and_who_sees_some_paths_pins_these() {
    let standard = Standard::new();
    let mut confined = String::new();
    let pins = Pinnable::with(|builder| {
        let file = builder.scratch().join("tokens");
        confined = create(&file, "some", &["--allow", "read,pin", "--paths", "top*"]);
        builder
    });
    for path in [&standard.dep, &standard.top, &standard.blob] {
        pins.cache.push(&standard, path);
    }
    let put = || Request::new("PUT", "/gcroots/a").body(body(&[&standard.top]));
    for request in [put(), Request::get("/gcroots"), Request::new("DELETE", "/gcroots/a")] {
        assert_refusal(&pins.cache.server.connect().send(&request), 401);
        // Who may push may not pin: the roots are those of others too.
        assert_refusal(&pins.cache.send(request), 403);
    }
    let send = |request| pins.cache.server.connect().send(&with_token(request, &confined));
    assert!(standard.top.name().starts_with("top") && !standard.blob.name().starts_with("top"));
    assert_eq!(send(put()).status(), 200);
    assert_eq!(pins.pin("/gcroots/b", &[&standard.blob]).status(), 200);
    let blob = || Request::new("PUT", "/gcroots/c").body(body(&[&standard.blob]));
    assert_refusal(&send(blob()), 403);
    let hash = standard.blob.hash_part().to_string();
    assert_refusal(&send(Request::new("PUT", "/gcroots/c").body(hash)), 409);
    let own = Request::new("PUT", "/gcroots/b").body(body(&[&standard.top]));
    assert_refusal(&send(own), 403);
    assert_refusal(&send(Request::new("DELETE", "/gcroots/b")), 403);
    assert_refusal(&send(Request::get("/gcroots/b")), 404);
    let listed = send(Request::get("/gcroots"));
    assert!(listed.text().starts_with("a  ") && listed.text().lines().count() == 1);
    // Hidden roots end no page, and their names are not told.
    let put = Request::new("PUT", "/gcroots/d").body(body(&[&standard.top]));
    assert_eq!(send(put).status(), 200);
    for (terms, name, next) in [
        ("limit=1", "a", Some("a")),
        ("limit=2", "a", None),
        ("limit=1&after=a", "d", None),
        ("limit=1&after=b", "d", None),
    ] {
        let request = Request::get(format!("/gcroots?{terms}")).header("Accept", JSON);
        let list = json(&send(request));
        assert_eq!((&list["roots"][0]["name"], &list["next"]), (&name.into(), &next.into()));
    }
    assert_eq!(send(Request::new("DELETE", "/gcroots/d")).status(), 200);
    assert_eq!(send(Request::new("DELETE", "/gcroots/a")).status(), 200);
    let shown = pins.get("/gcroots");
    assert_eq!(shown["roots"][0]["name"], "b");
}

#[test]
fn while_the_index_is_down_roots_wait_and_reading_goes_on() {
    let (standard, pins) = (
        Standard::new(),
        Pinnable::with(|builder| {
            builder.section("[index]\nurl = \"postgres:///cache?host=/nowhere\"")
        }),
    );
    for request in [
        Request::new("PUT", "/gcroots/a").body(body(&[&standard.blob])),
        Request::get("/gcroots"),
        Request::get("/gcroots/a"),
        Request::new("DELETE", "/gcroots/a"),
    ] {
        let answer = pins.send(request);
        assert_eq!(answer.status(), 503, "{}", answer.text());
        assert!(answer.head.header("retry-after").is_some());
    }
    let page = pins.send(Request::get("/"));
    assert!(page.text().contains("cannot be read at the moment"), "{}", page.text());
}

fn rebuild(url: &str, index: &Path, credentials: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    command.args(["storage", "index", "--rebuild", "--storage", url]);
    command.env("RUST_NIX_SERVE_INDEX_URL", format!("sqlite://{}", index.display()));
    command.env("AWS_SHARED_CREDENTIALS_FILE", credentials);
    let done = run(&mut command, Duration::from_secs(60)).success();
    assert!(done.text().ends_with(", 1 root\n"), "{}", done.text());
}

/// Roots are set over one index, and found by a server with another one, made from the storage.
fn another_index_keeps_roots(url: &str, credentials: &str) {
    let scratch = Scratch::new();
    let standard = Standard::new();
    let start = |index: &Path| {
        let builder = server().keys([SECRET_KEY]).store_flag("enabled", false);
        let index = format!("sqlite://{}", index.display());
        let tokens = builder.scratch().join("tokens");
        let token = create(&tokens, "ci", &["--allow", "read,push,pin"]);
        let section = format!(
            "[storage]\nurl = {url:?}\n[index]\nurl = {index:?}\n[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]"
        );
        let builder = builder.section(&section).env("AWS_SHARED_CREDENTIALS_FILE", credentials);
        (builder.start(), token)
    };
    let first = scratch.join("first.sqlite");
    let (one, token) = start(&first);
    for path in [&standard.dep, &standard.top] {
        let (narinfo, file) = super::packed(
            standard.store.info(path),
            &standard.store.nar(path),
            rns_formats::Compression::Zstd,
        );
        let put = |target: String, body: Vec<u8>| {
            let request = with_token(Request::new("PUT", &target).body(body), &token);
            assert_eq!(one.connect().send(&request).status(), 201);
        };
        put(format!("/{}", narinfo.url), file);
        put(format!("/{}.narinfo", path.hash_part()), super::text_of(&narinfo).into_bytes());
    }
    let pin = Request::new("PUT", "/gcroots/project/main?label=kept").body(body(&[&standard.top]));
    assert_eq!(one.connect().send(&with_token(pin, &token)).status(), 200);
    drop(one);
    let second = scratch.join("second.sqlite");
    rebuild(url, &second, credentials);
    let (other, token) = start(&second);
    let get = Request::get("/gcroots/project/main").header("Accept", JSON);
    let found = json(&other.connect().send(&with_token(get, &token)));
    assert_eq!(found["revisions"][0]["label"], "kept");
    assert_eq!(found["revisions"][0]["paths"][0], full(&standard.top));
}

#[test]
fn an_index_that_is_made_anew_keeps_roots_of_a_directory() {
    let scratch = Scratch::new();
    let directory = scratch.join("cache");
    fs::create_dir(&directory).unwrap();
    another_index_keeps_roots(&format!("file://{}", directory.display()), "");
}

#[test]
fn an_index_that_is_made_anew_keeps_roots_of_a_bucket() {
    let Some(bucket) = S3Server::start() else { return };
    let credentials = bucket.credentials_file();
    another_index_keeps_roots(&bucket.url(), credentials.to_str().unwrap());
}
