//! Requests that are sent before the ones before them are answered: each gets the answer that it would get alone, in order.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rns_testing::{
    FixtureStore, Scratch, Server, Standard, Tree,
    http::{Connection, Request, Response},
};

use super::kept::random;
use crate::support::{
    compression::compressing, is_installed, nar_of, narinfo_of, tls::speaking_tls, without_date,
};

/// A server over TCP and on a unix socket, and everything that it is asked for.
struct Asked {
    server: Server,
    scratch: Scratch,
    requests: Vec<Request>,
    _standard: Standard,
}

impl Asked {
    fn new(settings: &str) -> Self {
        let (standard, scratch) = (Standard::new(), Scratch::new());
        let unix = format!("unix:{}", scratch.join("http.sock").display());
        let server = compressing(&standard.store, &scratch.join("nars"), "zstd")
            .listen(["127.0.0.1:0", &unix])
            .setting(settings)
            .start();
        let (narinfo, nar) = (narinfo_of(&standard.tree), nar_of(&server, &standard.tree));
        let etag = server.get(&narinfo).header("etag").unwrap().to_owned();
        let mut requests = Vec::new();
        for target in [&*narinfo, &nar, "/nix-cache-info", "/nothing"] {
            requests.extend([
                Request::get(target),
                Request::get(target),
                Request::head(target),
                Request::get(target).old(),
                Request::head(target).old().header("Connection", "keep-alive"),
                Request::get(target).header("Connection", "close"),
            ]);
        }
        requests.extend([
            Request::get(&narinfo).header("If-None-Match", etag),
            Request::get(&nar).header("Range", "bytes=3-7"),
            Request::new("POST", &narinfo),
            Request::new("POST", &narinfo).body("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            Request::new("PUT", &narinfo).body("x".repeat(40_000)),
            Request::new("PUT", &narinfo).chunks(&[5, 1, 3000]),
            Request::get(&narinfo).chunks(&[3]),
            Request::head(&narinfo).body("xyz"),
            Request::get(&narinfo).header("Expect", "100-continue"),
            Request::new("DELETE", "/"),
            Request::get(&narinfo).header("Host", "another"),
            Request::new("G\0T", "/"),
        ]);
        Self { server, scratch, requests, _standard: standard }
    }

    /// The answer to each request when it is the only one.
    fn alone(&self) -> Vec<Response> {
        let alone = |request| self.server.connect().ask(request).unwrap();
        // Once more: a NAR that is compressed while it is sent the first time has a length then.
        self.requests.iter().for_each(|request| _ = alone(request));
        self.requests.iter().map(alone).collect()
    }
}

/// The client's side of an answer.
trait Ask {
    fn ask(&mut self, request: &Request) -> Option<Response>;
    fn read_final(&mut self, request: &Request) -> Option<Response>;
}

impl Ask for Connection {
    fn ask(&mut self, request: &Request) -> Option<Response> {
        self.send_raw(&request.to_bytes());
        self.read_final(request)
    }

    /// Reads an answer, and an interim one that may come before it.
    fn read_final(&mut self, request: &Request) -> Option<Response> {
        let answer = self.read_response_to(request)?;
        if answer.status() == 100 { self.read_response_to(request) } else { Some(answer) }
    }
}

/// Whether the connection ends with this answer.
fn is_last(answer: &Response) -> bool {
    let says = |word: &str| {
        answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case(word))
    };
    says("close")
        || answer.head.version == "HTTP/1.0" && !says("keep-alive")
        || answer.status() == 400
}

/// A request without its body.
fn first_lines(request: &Request) -> String {
    let bytes = request.to_bytes();
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    format!("{}\n", String::from_utf8_lossy(&bytes[..end]).replace("\r\n", " | "))
}

fn relevant(answer: &Response) -> Vec<(String, String)> {
    // Whether an unwanted body has arrived when it is answered differs.
    without_date(answer).into_iter().filter(|(name, _)| name != "connection").collect()
}

/// Sends requests in pieces, and compares the answers.
fn exchange(asked: &Asked, alone: &[Response], mut connection: Connection, seed: u64) {
    let mut state = seed;
    let chosen: Vec<usize> = (0..2 + random(&mut state) % 6)
        .map(|_| random(&mut state) % asked.requests.len())
        .collect();
    let sent = || chosen.iter().map(|&index| &asked.requests[index]);
    let all = || sent().map(first_lines).collect::<String>();
    let bytes: Vec<u8> = sent().flat_map(Request::to_bytes).collect();
    let pieces = random(&mut state) % 4;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let most = if pieces == 0 { rest.len() } else { 1 + random(&mut state) % rest.len() };
        let (piece, left) = rest.split_at(most);
        connection.send_raw(piece);
        rest = left;
        if pieces > 1 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    for &index in &chosen {
        let (request, alone) = (&asked.requests[index], &alone[index]);
        let about = || {
            format!(
                "seed {seed}, answer to {} of
{}",
                first_lines(request),
                all()
            )
        };
        let answer = connection.read_final(request).unwrap_or_else(|| panic!("no {}", about()));
        // Bytes that are no request have no version.
        let is_request = alone.status() != 400;
        assert!(answer.head.version == alone.head.version || !is_request, "{}", about());
        assert_eq!(answer.status(), alone.status(), "{}", about());
        assert_eq!(relevant(&answer), relevant(alone), "{}", about());
        assert!(answer.body == alone.body && answer.complete, "{}", about());
        if is_last(&answer) {
            // The server reads on for a while when the client may still be sending a body.
            connection.end_sending();
            assert!(
                connection.is_closed_within(Duration::from_secs(5)),
                "open after the last {}",
                about()
            );
            return;
        }
        assert!(!is_last(alone) || !request.to_bytes().ends_with(b"\r\n\r\n"), "{}", about());
    }
    connection.end_sending();
    assert!(connection.read_head().is_none(), "seed {seed}: more answers than requests");
}

#[test]
fn each_request_of_a_sequence_is_answered_as_if_it_were_alone() {
    let asked = Asked::new("");
    let alone = asked.alone();
    for seed in 1..400 {
        let connection = match seed % 3 {
            0 => Connection::unix(&asked.scratch.join("http.sock")),
            _ => asked.server.connect(),
        };
        exchange(&asked, &alone, connection, seed);
    }
}

#[test]
fn without_the_fast_path_the_answers_are_the_same() {
    let (fast, slow) = (Asked::new(""), Asked::new("fast_path = false"));
    let alone = fast.alone();
    slow.alone();
    let mut connection = slow.server.connect();
    for (request, alone) in slow.requests.iter().zip(&alone) {
        let answer = connection.ask(request).unwrap();
        assert_eq!(answer.status(), alone.status(), "{}", first_lines(request));
        assert_eq!(relevant(&answer), relevant(alone), "{}", first_lines(request));
        assert!(answer.body == alone.body, "{}", first_lines(request));
        if is_last(&answer) {
            connection = slow.server.connect();
        }
    }
    for seed in 1..20 {
        exchange(&slow, &alone, slow.server.connect(), seed);
    }
}

#[test]
fn get_and_head_in_one_segment_get_both_answers() {
    let mut store = FixtureStore::new();
    let path = store.add("cold", Tree::file("x"));
    let server = crate::support::serve(&store);
    let (get, head) = (Request::get(narinfo_of(&path)), Request::head(narinfo_of(&path)));
    for sequence in [[&get, &head], [&head, &get]] {
        let mut connection = server.connect();
        connection.send_raw(&sequence.map(Request::to_bytes).concat());
        for request in sequence {
            let answer = connection.read_response_to(request).unwrap();
            assert_eq!(answer.status(), 200);
            assert!(answer.complete && answer.head.content_length() > Some(100));
        }
    }
}

#[test]
fn requests_over_tls_are_answered_one_after_the_other() {
    if !is_installed("openssl") {
        return;
    }
    let standard = Standard::new();
    let server = speaking_tls("one.crt", "one.key").store(&standard.store).start();
    let narinfo = narinfo_of(&standard.tree);
    let requests = [
        Request::get(&narinfo),
        Request::head(&narinfo),
        Request::get("/nothing"),
        Request::get("/nix-cache-info").old(),
        Request::get("/nix-cache-info"),
    ];
    let bytes: Vec<u8> = requests.iter().flat_map(Request::to_bytes).collect();
    let address = server.url().strip_prefix("https://").unwrap();
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-no_ign_eof", "-connect", address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    input.write_all(&bytes).unwrap();
    let output = client.wait_with_output().unwrap();
    drop(input);
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("HTTP/")).collect();
    let expected =
        ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "HTTP/1.0 200 OK"];
    assert_eq!(lines, expected, "{said}");
    assert_eq!(said.matches("StorePath: ").count(), 1);
}
