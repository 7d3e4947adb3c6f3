//! Many requests over one connection: after any others on it, each gets the answer that it would get alone.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rns_formats::StorePath;
use rns_testing::{
    FixtureStore, Scratch, Server, Standard, Tree,
    http::{Connection, Request, Response},
};

use crate::{
    support::compression::{compressing, large},
    support::private::{Private, with_token},
    support::{SECRET_KEY, assert_refusal, narinfo_of, serve, server, within, without_date},
};

/// A number that looks random, another one at each call.
pub(crate) fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// A tree that does not compress well.
fn noise(bytes: usize) -> Tree {
    let mut state = bytes as u64;
    Tree::file((0..bytes).map(|_| random(&mut state) as u8).collect::<Vec<u8>>())
}

/// A server that compresses, over TCP and on a unix socket, and the requests for it.
struct Lab {
    server: Server,
    scratch: Scratch,
    requests: Vec<Request>,
    _standard: Standard,
}

impl Lab {
    fn new() -> Self {
        let (mut standard, scratch) = (Standard::new(), Scratch::new());
        let store = &mut standard.store;
        let paths = [
            store.add("tiny", Tree::file("tiny")),
            store.add("medium", noise(50_000)),
            store.add("bigger", noise(300_000)),
            store.add("huge", noise(3_000_000)),
            large(store),
        ];
        let unix = format!("unix:{}", scratch.join("http.sock").display());
        let server = compressing(store, &scratch.join("nars"), "zstd")
            .listen(["127.0.0.1:0", &unix])
            .start();
        let mut requests: Vec<Request> =
            paths.iter().flat_map(|path| of_path(&server, path)).collect();
        requests.extend(
            ["/nix-cache-info", "/", "/nothing", "/00000000000000000000000000000000.narinfo"]
                .map(Request::get),
        );
        requests.push(Request::new("DELETE", "/nix-cache-info"));
        Self { server, scratch, requests, _standard: standard }
    }

    fn connections(&self) -> [Connection; 2] {
        [self.server.connect(), Connection::unix(&self.scratch.join("http.sock"))]
    }

    /// The answer to each request when it is the only one.
    fn alone(&self) -> Vec<Response> {
        let mut alone: Vec<Response> = Vec::new();
        // The first time some are compressed while they are sent, without a length.
        for _ in 0..2 {
            alone = self
                .requests
                .iter()
                .map(|request| self.server.connect().send(&request.clone().header("X-Any", "1")))
                .collect();
        }
        alone
    }
}

/// All that can be asked of a path.
fn of_path(server: &Server, path: &StorePath) -> Vec<Request> {
    let (narinfo, hash) = (narinfo_of(path), path.hash_part().to_string());
    let answer = server.get(&narinfo);
    let url = format!("/{}", crate::support::field(&answer, "URL").unwrap());
    // Packed contents are offered as they are, and can be had compressed all the same.
    let plain = url.strip_suffix(".zst").unwrap_or(&url);
    let nar = format!("{plain}.zst");
    let etag = answer.header("etag").unwrap();
    vec![
        Request::get(&narinfo),
        Request::head(&narinfo),
        Request::get(&narinfo).header("If-None-Match", etag),
        Request::get(format!("{narinfo}?json")),
        Request::get(narinfo.replacen(&hash[..1], &format!("%{:02x}", hash.as_bytes()[0]), 1)),
        Request::get(format!("/{narinfo}")),
        Request::get(&nar),
        Request::head(&nar),
        Request::get(&nar).header("Range", "bytes=10-30"),
        Request::get(plain),
        Request::get(plain).header("Range", "bytes=5-70000"),
        Request::get(format!("/{hash}.ls")),
    ]
}

#[track_caller]
fn assert_same(answer: &Response, alone: &Response, what: &Request) {
    let what = format!("{what:?}");
    assert_eq!(answer.status(), alone.status(), "{what}");
    assert_eq!(without_date(answer), without_date(alone), "{what}");
    assert!(answer.header("date").is_some(), "{what}");
    assert!(answer.body == alone.body && answer.complete, "another body for {what}");
}

#[test]
fn whatever_came_before_the_answer_is_the_same() {
    let lab = Lab::new();
    let alone = lab.alone();
    let mut state = 1;
    for _ in 0..30 {
        for mut connection in lab.connections() {
            for _ in 0..50 {
                let chosen = random(&mut state) % lab.requests.len();
                let answer = connection.send(&lab.requests[chosen]);
                assert_same(&answer, &alone[chosen], &lab.requests[chosen]);
            }
        }
    }
}

#[test]
fn requests_that_arrive_in_any_pieces_are_answered_in_their_order() {
    let lab = Lab::new();
    let alone = lab.alone();
    // The answer to HEAD cannot be told from that to GET without knowing the question.
    let usable: Vec<usize> = (0..lab.requests.len())
        .filter(|&index| lab.requests[index].to_bytes().starts_with(b"GET"))
        .filter(|&index| alone[index].status() != 304)
        .collect();
    let mut state = 2;
    for round in 0..60 {
        let [tcp, unix] = lab.connections();
        let mut connection = if round % 3 == 0 { unix } else { tcp };
        for _ in 0..3 {
            let chosen: Vec<usize> = (0..1 + random(&mut state) % 5)
                .map(|_| usable[random(&mut state) % usable.len()])
                .collect();
            let bytes: Vec<u8> =
                chosen.iter().flat_map(|&index| lab.requests[index].to_bytes()).collect();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let most =
                    if round % 2 == 0 { rest.len() } else { 1 + random(&mut state) % rest.len() };
                let (piece, left) = rest.split_at(most);
                connection.send_raw(piece);
                rest = left;
                if !rest.is_empty() {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            for &index in &chosen {
                let answer = connection.read_response().unwrap();
                assert_same(&answer, &alone[index], &lab.requests[index]);
            }
        }
    }
}

#[test]
fn a_client_that_asks_and_does_not_read_gets_everything_later() {
    let lab = Lab::new();
    let alone = lab.alone();
    let before = lab.server.resident_bytes();
    let whole = |size: usize| {
        let is_it = |index: &usize| {
            let length = alone[*index].body.len();
            lab.requests[*index].to_bytes().starts_with(b"GET") && length / size == 1
        };
        (0..lab.requests.len()).find(is_it).unwrap()
    };
    // One of those in memory, and one in a file.
    for index in [whole(45_000), whole(280_000)] {
        let request = &lab.requests[index];
        // More answers than the buffers of both ends hold, and no more requests.
        let number = ((20 << 20) / alone[index].body.len()).min(200);
        for mut connection in lab.connections() {
            assert_same(&connection.send(request), &alone[index], request);
            for _ in 0..number {
                connection.send_raw(&request.to_bytes());
                thread::sleep(Duration::from_millis(1));
            }
            for _ in 0..number {
                let answer = connection.read_response().unwrap();
                assert_same(&answer, &alone[index], request);
            }
        }
    }
    let grown = lab.server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

#[test]
fn a_file_of_which_the_kernel_has_only_parts_in_memory_arrives_whole() {
    let lab = Lab::new();
    let alone = lab.alone();
    let longest = (0..lab.requests.len())
        .filter(|&index| lab.requests[index].to_bytes().windows(8).any(|part| part == b".nar.zst"))
        .max_by_key(|&index| alone[index].body.len())
        .unwrap();
    assert!(alone[longest].body.len() > 2 << 20);
    for (offset, length) in [(0, 1 << 20), (1 << 20, 1 << 20), (1 << 20, 0), (0, 0)] {
        for file in fs::read_dir(lab.scratch.join("nars")).unwrap() {
            let file = fs::File::open(file.unwrap().path()).unwrap();
            file.sync_all().unwrap();
            let length = std::num::NonZeroU64::new(length);
            rustix::fs::fadvise(&file, offset, length, rustix::fs::Advice::DontNeed).unwrap();
        }
        for mut connection in lab.connections() {
            let answer = connection.send(&lab.requests[longest]);
            assert_same(&answer, &alone[longest], &lab.requests[longest]);
            let answer = connection.send(&lab.requests[0]);
            assert_same(&answer, &alone[0], &lab.requests[0]);
        }
    }
}

#[test]
fn what_is_new_in_the_store_is_seen_by_the_next_request_and_what_is_gone_soon() {
    let mut store = FixtureStore::new();
    let (path, other) = (store.add("path", Tree::file("x")), store.add("other", Tree::file("y")));
    let server = serve(&store);
    let mut connection = server.connect();
    let mut status = |path: &StorePath| connection.send(&Request::get(narinfo_of(path))).status();
    for _ in 0..5 {
        assert_eq!((status(&path), status(&other)), (200, 200));
    }
    store.forget(&path);
    // A hit may be some milliseconds old, a miss may not.
    within(Duration::from_secs(5), || status(&path) == 404);
    for _ in 0..5 {
        assert_eq!((status(&path), status(&other)), (404, 200));
    }
    let new = StorePath::parse("00000000000000000000000000000000-new").unwrap();
    for _ in 0..5 {
        assert_eq!(status(&new), 404);
    }
    for round in 0..20 {
        let added = store.add(&format!("added-{round}"), Tree::file("z"));
        assert_eq!((status(&added), status(&other), status(&path)), (200, 200, 404));
    }
}

#[test]
fn somebody_without_a_token_gets_nothing_on_the_connection_of_somebody_with_one() {
    let cache = Private::new();
    let narinfo = narinfo_of(&cache.standard.tree);
    let mut connection = cache.server.connect();
    for _ in 0..5 {
        let request = Request::get(&narinfo);
        assert_eq!(connection.send(&with_token(request.clone(), &cache.token)).status(), 200);
        assert_refusal(&connection.send(&request), 401);
    }
}

#[test]
fn a_connection_on_which_only_narinfos_are_asked_for_stays_open_while_they_are() {
    let mut store = FixtureStore::new();
    let path = store.add("path", Tree::file("x"));
    let limits = "[limits]\nidle_timeout = \"2s\"\nheader_timeout = \"2s\"";
    let server = server().store(&store).keys([SECRET_KEY]).section(limits).start();
    let mut connection = server.connect();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(7) {
        assert_eq!(connection.send(&Request::get(narinfo_of(&path))).status(), 200);
        thread::sleep(Duration::from_millis(50));
    }
    assert!(connection.is_closed_within(Duration::from_secs(5)), "it is idle now");
}
