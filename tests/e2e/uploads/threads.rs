//! Connections that go to a thread for small uploads, and back: their clients see no difference.

use std::{fs, thread, time::Duration};

use rns_formats::Compression;
use rns_testing::{
    FixtureStore, Process, Scratch, Tree,
    http::{Connection, Request},
};
use rustix::process::Signal;

use super::{Pushable, packed, text_of};
use crate::{
    connections::kept::random,
    support::{full, narinfo_of, private::with_token},
};

/// Names of the threads of a process.
fn threads(process: &Process) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")));
    names.filter_map(Result::ok).collect()
}

fn upload_threads(cache: &Pushable) -> usize {
    let threads = threads(&cache.server);
    threads.iter().filter(|name| name.starts_with("upload-worker")).count()
}

/// A path with a small NAR, and one whose NAR is too large for such a thread: their uploads and all requests for them, with the
/// status of each.
fn requests(name: &str) -> Vec<(Request, u16)> {
    let mut store = FixtureStore::new();
    let mut state =
        name.bytes().fold(7, |state: u64, byte| state.wrapping_mul(31) + u64::from(byte));
    let mut requests = Vec::new();
    for bytes in [100, 200_000] {
        let contents: Vec<u8> = (0..bytes).map(|_| random(&mut state) as u8).collect();
        let path = store.add(&format!("{name}-{bytes}"), Tree::file(contents));
        let (narinfo, file) = packed(store.info(&path), &store.nar(&path), Compression::Zstd);
        let (nar, target) = (format!("/{}", narinfo.url), narinfo_of(&path));
        requests.extend([
            (Request::get(&target), 404),
            (Request::head(&nar), 404),
            (Request::new("PUT", &nar).body(file.clone()), 201),
            (Request::get(&target), 404),
            (Request::new("PUT", &target).body(text_of(&narinfo)), 201),
            (Request::get(&target), 200),
            (Request::head(&target), 200),
            (Request::get(&nar), 200),
            (Request::new("PUT", &target).body("x".repeat(300)), 400),
            (Request::new("PUT", &nar).chunks(&[file.len()]), 201),
            (Request::new("DELETE", "/"), 405),
            (Request::new("PUT", &target).body(text_of(&narinfo)), 200),
        ]);
    }
    requests
}

#[test]
fn requests_of_all_kinds_share_a_connection() {
    let scratch = Scratch::new();
    let socket = scratch.join("http.sock");
    let unix = format!("unix:{}", socket.display());
    let cache = Pushable::with(|builder| builder.listen(["127.0.0.1:0", &unix]));
    let connections: [(&str, &dyn Fn() -> Connection); 2] =
        [("tcp", &|| cache.server.connect()), ("unix", &|| Connection::unix(&socket))];
    assert_eq!(upload_threads(&cache), 0);
    for (name, connect) in connections {
        let mut connection = connect();
        for (number, (request, status)) in requests(name).iter().enumerate() {
            let answer = connection.send(&with_token(request.clone(), &cache.token));
            assert_eq!(answer.status(), *status, "{name}, {number}: {}", answer.text());
        }
        assert!(upload_threads(&cache) > 0, "{:?}", threads(&cache.server));

        // All at once: each gets its answer in its turn.
        let all = requests(&format!("{name}-pipelined"));
        let mut connection = connect();
        let bytes: Vec<u8> = all
            .iter()
            .flat_map(|(request, _)| with_token(request.clone(), &cache.token).to_bytes())
            .collect();
        connection.send_raw(&bytes);
        for (number, (request, status)) in all.iter().enumerate() {
            let answer = connection.read_response_to(request).unwrap();
            assert_eq!(answer.status(), *status, "{name}, {number}");
        }
        assert!(!connection.is_closed_within(Duration::from_millis(100)));
    }
}

#[test]
fn more_clients_push_than_there_are_threads() {
    let cache = Pushable::new();
    thread::scope(|scope| {
        for client in 0..24 {
            let cache = &cache;
            scope.spawn(move || {
                let mut connection = cache.server.connect();
                for (request, status) in requests(&format!("client-{client}")) {
                    let answer = connection.send(&with_token(request, &cache.token));
                    assert_eq!(answer.status(), status, "{client}: {}", answer.text());
                }
            });
        }
    });
    let threads = upload_threads(&cache);
    assert!((2..=8).contains(&threads), "{threads}");
}

#[test]
fn such_a_connection_is_closed_like_any_other() {
    let pushed = |settings: &str| {
        let cache = Pushable::with(|builder| builder.section(settings));
        let mut connection = cache.server.connect();
        for (request, status) in requests("kept").into_iter().take(5) {
            assert_eq!(connection.send(&with_token(request, &cache.token)).status(), status);
        }
        assert_eq!(upload_threads(&cache), 1);
        (cache, connection)
    };
    // It is idle for too long.
    let (cache, mut connection) = pushed("[limits]\nidle_timeout = \"1s\"");
    assert!(connection.is_closed_within(Duration::from_secs(30)));
    assert_eq!(cache.server.get("/nix-cache-info").status(), 200);

    // Its head does not come to an end.
    let (_cache, mut connection) = pushed("[limits]\nheader_timeout = \"1s\"");
    connection.send_raw(b"PUT /nar/x HTTP/1.1\r\n");
    assert!(connection.is_closed_within(Duration::from_secs(30)));

    // The server ends.
    let (mut cache, mut connection) = pushed("[limits]\nidle_timeout = \"1h\"");
    cache.server.signal(Signal::TERM);
    assert!(connection.is_closed_within(Duration::from_secs(30)));
    assert!(cache.server.wait(Duration::from_secs(30)).success());
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_an_upload_leaves_nothing() {
    let cache = Pushable::new();
    let mut store = FixtureStore::new();
    let path = store.add("x", Tree::file("contents"));
    let (narinfo, file) = packed(store.info(&path), &store.nar(&path), Compression::None);
    let put = Request::new("PUT", format!("/{}", narinfo.url)).body(file);
    let bytes = with_token(put.clone(), &cache.token).to_bytes();
    for length in [bytes.len() - 40, bytes.len() - 1] {
        let mut connection = cache.server.connect();
        connection.send_raw(&bytes[..length]);
        drop(connection);
    }
    assert_eq!(cache.send(Request::get(format!("/{}", narinfo.url))).status(), 404);
    assert_eq!(cache.send(put).status(), 201);
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201, "{}", full(&path));
}
