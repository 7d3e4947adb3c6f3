//! The limits of one client, where they are set.

use std::{
    thread,
    time::{Duration, Instant},
};

use rns_testing::{FixtureStore, Server, Tree, http};
use rustix::process::Signal;

use crate::{
    support::private::{create, get_with, private, token_command, with_token},
    support::{field, nar_of, narinfo_of, server},
};

const CACHE_INFO: &str = "/nix-cache-info";

/// A server behind a proxy, which is us.
fn behind_proxy(store: &FixtureStore, limits: &str) -> Server {
    server()
        .store(store)
        .section("[access]\nanonymous = [\"read\"]\ntrusted_proxies = [\"127.0.0.0/8\"]")
        .section(&format!("[limits.per_address]\n{limits}"))
        .start()
}

fn from(client: &str, target: &str) -> http::Request {
    http::Request::get(target).header("X-Forwarded-For", client)
}

/// A download that has begun and is not read.
fn begin(server: &Server, request: &http::Request) -> http::Connection {
    let mut connection = server.connect();
    assert_eq!(connection.start(request).0.status, 200);
    connection
}

/// Sends a request, and says whether it is answered within half a second.
fn is_answered_soon(connection: &mut http::Connection, request: &http::Request) -> bool {
    connection.send_raw(&request.to_bytes());
    connection.is_readable_within(Duration::from_millis(500))
}

#[test]
fn an_address_with_too_many_connections_gets_no_more() {
    let store = FixtureStore::new();
    let server = server().store(&store).section("[limits]\nconnections_per_address = 2").start();
    let request = http::Request::get(CACHE_INFO);
    let mut first = server.connect();
    assert_eq!(first.send(&request).status(), 200);
    let mut second = server.connect();
    assert_eq!(second.send(&request).status(), 200);
    let mut third = server.connect();
    assert!(third.is_closed_within(Duration::from_secs(10)));
    assert_eq!(first.send(&request).status(), 200, "the others are not disturbed");
    drop(second);
    let start = Instant::now();
    let again = loop {
        let mut connection = server.connect();
        if !connection.is_closed_within(Duration::from_millis(200)) {
            break connection;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "a connection is free again");
    };
    drop(again);
}

#[test]
fn the_connections_of_a_proxy_are_not_those_of_one_client() {
    let store = FixtureStore::new();
    let limited = || server().store(&store).section("[limits]\nconnections_per_address = 1");
    let request = http::Request::get(CACHE_INFO);
    for exempt in
        ["[access]\ntrusted_proxies = [\"127.0.0.0/8\"]", "[nginx]\nlisten = \"127.0.0.1:0\""]
    {
        let server = limited().section(exempt).start();
        let mut connections = [(); 3].map(|()| server.connect());
        for connection in &mut connections {
            assert_eq!(connection.send(&request).status(), 200, "{exempt}");
        }
    }
}

#[test]
fn a_request_waits_for_its_turn_and_others_do_not_wait_for_it() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(64 << 20));
    let server = behind_proxy(&store, "requests_at_once = 1");
    let nar = nar_of(&server, &path);
    let download = begin(&server, &from("192.0.2.1", &nar));
    let mut waiting = server.connect();
    assert!(!is_answered_soon(&mut waiting, &from("192.0.2.1", CACHE_INFO)));
    let other = server.connect().send(&from("192.0.2.2", CACHE_INFO));
    assert_eq!(other.status(), 200);
    // A claim of the client itself, before the address that the proxy has seen, makes no other client of it.
    let claims = ["192.0.2.7, 192.0.2.1", "\u{ff}, 192.0.2.1"];
    let mut lying = claims.map(|claim| {
        let mut lying = server.connect();
        assert!(!is_answered_soon(&mut lying, &from(claim, CACHE_INFO)), "{claim}");
        lying
    });
    drop(download);
    assert_eq!(waiting.read_response().unwrap().status(), 200);
    for lying in &mut lying {
        assert_eq!(lying.read_response().unwrap().status(), 200);
    }
}

#[test]
fn tokens_of_two_caches_are_two_whatever_they_are_called() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(64 << 20));
    let builder = server().store(&store);
    let files = ["default", "team"].map(|name| builder.scratch().join(name));
    let tokens = files.each_ref().map(|file| create(file, "ci", &[]));
    let [default, team] = files.each_ref().map(|file| format!("tokens = {file:?}\nanonymous = []"));
    let server = builder
        .section(&format!("[access]\n{default}\n[expose]\neverything = true"))
        .section("[cache.team]\npath = \"/team\"\nexpose.everything = true")
        .section(&format!("[cache.team.access]\n{team}"))
        .section("[limits.per_token]\nrequests_at_once = 1")
        .start();
    let with = |token: usize, target: &str| {
        http::Request::get(target).header("Authorization", format!("Bearer {}", tokens[token]))
    };
    let nar = format!("/nar/{}.nar", path.hash_part());
    let download = begin(&server, &with(0, &nar));
    let mut waiting = server.connect();
    assert!(!is_answered_soon(&mut waiting, &with(0, CACHE_INFO)));
    assert_eq!(server.connect().send(&with(1, "/team/nix-cache-info")).status(), 200);
    drop(download);
    assert_eq!(waiting.read_response().unwrap().status(), 200);
}

#[test]
fn who_says_so_itself_is_not_believed() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(64 << 20));
    let server =
        server().store(&store).section("[limits.per_address]\nrequests_at_once = 1").start();
    let nar = nar_of(&server, &path);
    let download = begin(&server, &from("192.0.2.1", &nar));
    let mut waiting = server.connect();
    assert!(!is_answered_soon(&mut waiting, &from("192.0.2.2", CACHE_INFO)));
    assert_eq!(server.get("/healthz").status(), 200, "health does not wait");
    drop(download);
    assert_eq!(waiting.read_response().unwrap().status(), 200);
}

#[test]
fn too_many_requests_are_answered_later_and_none_is_refused() {
    let store = FixtureStore::new();
    let server = behind_proxy(&store, "requests_per_second = 5");
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(server.get(CACHE_INFO).status(), 200));
        }
    });
    // A second's worth is free, ten more take two seconds.
    assert!(start.elapsed() >= Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[test]
fn an_answer_is_sent_no_faster_than_its_client_may_take_it() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(3 << 20));
    let limited = behind_proxy(&store, "bandwidth = \"1MiB\"");
    let nar = nar_of(&limited, &path);
    let start = Instant::now();
    let both = thread::scope(|scope| {
        let two = [(); 2].map(|()| scope.spawn(|| limited.get(&nar).ok().len()));
        two.map(|one| one.join().unwrap())
    });
    assert!(both.iter().all(|length| *length > 3 << 20), "{both:?}");
    // Six MiB together, of which one is a burst, and no client waits for the last chunk.
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
}

/// That a request which waits for its turn behind a download is refused when the token is revoked meanwhile.
fn assert_refused_when_its_turn_comes(limits: &str) {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(64 << 20));
    let (builder, file) = private(&store, "anonymous = []\nfailure_delay = \"0s\"");
    let token = create(&file, "ci", &[]);
    let mut server = builder.section(&format!("{limits}\nrequests_at_once = 1")).start();
    let narinfo = get_with(&server, &token, &narinfo_of(&path));
    let nar = format!("/{}", field(&narinfo, "URL").unwrap());
    let download = begin(&server, &with_token(http::Request::get(&nar), &token));
    let mut waiting = server.connect();
    let request = with_token(http::Request::get(CACHE_INFO), &token);
    assert!(!is_answered_soon(&mut waiting, &request));

    token_command("revoke", &file, &["ci"]);
    server.signal(Signal::HUP);
    server.wait_for_line(" reloaded");
    drop(download);
    assert_eq!(waiting.read_response().unwrap().status(), 401);
}

#[test]
fn what_waits_for_the_turn_of_its_address_is_judged_when_it_comes() {
    assert_refused_when_its_turn_comes("[limits.per_address]");
}

#[test]
fn what_waits_for_the_turn_of_its_token_is_judged_when_it_comes() {
    assert_refused_when_its_turn_comes("[limits.per_token]");
}
