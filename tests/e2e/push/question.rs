//! The one question about many paths, and who answers it.

use rns_testing::{FixtureStore, Proxy, Standard, Tree, http::Request};

use super::{push, several};
use crate::{
    support::{full, narinfo_of, server},
    uploads::Pushable,
};

fn ask(cache: &Pushable, hashes: &[String]) -> rns_testing::http::Response {
    let body: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
    cache.send(Request::new("POST", "/push/missing").body(body))
}

#[test]
fn the_answer_names_what_is_missing_and_nothing_else() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.dep);
    let hash = |path: &rns_formats::StorePath| path.hash_part().to_string();
    let asked = [&standard.top, &standard.dep, &standard.blob].map(hash);
    let answer = ask(&cache, &asked);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text(), format!("{}\n{}\n", asked[0], asked[2]));
    // At the address of a cache without a local store as well.
    let at_base = cache.send(Request::new("POST", "/missing").body(asked.join("\n")));
    assert_eq!(at_base.text(), answer.text());
    assert_eq!(ask(&cache, &[]).text(), "");

    assert_eq!(ask(&cache, &["x".to_owned()]).status(), 400);
    assert_eq!(cache.server.get("/push/missing").status(), 404);
    let anonymous = Request::new("POST", "/push/missing").body(asked.join("\n"));
    assert_eq!(cache.server.connect().send(&anonymous).status(), 401);
    let stored = cache.send(Request::new("PUT", "/push/missing").body("x"));
    assert_eq!(stored.status(), 405);
    let long = "0\n".repeat(2 << 20);
    assert_eq!(cache.send(Request::new("POST", "/push/missing").body(long)).status(), 413);
}

#[test]
fn what_an_upstream_of_the_server_has_is_not_missing() {
    let standard = Standard::new();
    let upstream = Pushable::new();
    upstream.push(&standard, &standard.dep);
    let section = format!("[upload]\nassume_upstream = [{:?}]", upstream.server.url());
    let cache = Pushable::with(|builder| builder.section(&section));
    let asked = [standard.dep.hash_part().to_string(), standard.top.hash_part().to_string()];
    assert_eq!(ask(&cache, &asked).text(), format!("{}\n", asked[1]));
}

#[test]
fn this_server_is_asked_once_and_told_at_its_push_address() {
    let mut local = FixtureStore::new();
    local.add("own", Tree::file("of the server"));
    let (standard, cache) = (Standard::new(), Pushable::new());
    let proxy = Proxy::recording(cache.server.address());
    let to = proxy.url().replace("://", &format!("://ci:{}@", cache.token));
    push(&standard.store, &to, &several(&standard), &[]).success();
    let lines = proxy.request_lines();
    let of = |method: &str| lines.iter().filter(|line| line.starts_with(method)).count();
    assert_eq!(of("POST"), 1, "{lines:?}");
    // The large NAR is looked for, since an earlier push may have been interrupted.
    assert_eq!(of("HEAD"), 1, "{lines:?}");
    assert_eq!(of("PUT"), 12, "{lines:?}");
    assert!(lines.iter().all(|line| !line.starts_with("PUT") || line.contains(" /push/")));
}

#[test]
fn what_an_upstream_of_the_client_has_is_skipped() {
    let standard = Standard::new();
    let upstream = server().store(&standard.store).start();
    let cache = Pushable::with(|builder| {
        builder.section(&format!("[upload]\nassume_upstream = [{:?}]", upstream.url()))
    });
    let other = Pushable::new();
    other.push(&standard, &standard.dep);
    let more = ["--upstream", other.server.url(), "--json"];
    let cache_without = Pushable::new();
    let refused = push(&standard.store, &cache_without.url(), &[&standard.top], &more);
    // A server that does not know of the upstream wants the reference, and says so.
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("409"), "{refused:?}");

    let done = push(&standard.store, &cache.url(), &[&standard.top], &more).success();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!text.contains("\"failed\""), "{text}");
    assert!(text.contains(&full(&standard.dep)), "{text}");
    assert_eq!(cache.server.get(&narinfo_of(&standard.dep)).status(), 404);
}
