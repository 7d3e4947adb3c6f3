//! Uploads that are refused before their body is sent, and bodies that come all the same.

use std::{io::Write as _, net::TcpStream, process::Command, time::Duration};

use rns_formats::Compression;
use rns_testing::{Standard, http::Request, run};

use super::{Pushable, packed};
use crate::support::{is_installed, private, private::with_token};

/// An unknown NAR of this length.
fn nar() -> &'static str {
    "/nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar"
}

/// The status that a client gets that waits for `100 Continue` with a body of so many bytes.
fn first_status(cache: &Pushable, request: Request, length: u64) -> u16 {
    let request = request.header("Content-Length", length.to_string());
    let mut connection = cache.server.connect();
    connection.send_raw(&request.header("Expect", "100-continue").to_bytes());
    connection.read_head().unwrap().status
}

#[test]
fn c62_who_may_not_push_and_what_is_too_large_is_refused_before_the_body() {
    let cache = Pushable::with(|builder| builder.section("[upload]\nmax_nar_size = \"1MiB\""));
    let put = |target: &str| Request::new("PUT", target);
    let reader = private::create(&cache.tokens, "reader", &["--allow", "read"]);
    let status = |request: Request, length| first_status(&cache, request, length);
    assert_eq!(status(put(nar()), 1000), 401);
    assert_eq!(status(with_token(put(nar()), private::UNKNOWN), 1000), 401);
    crate::support::eventually(|| status(with_token(put(nar()), &reader), 1000) == 403);
    assert_eq!(status(with_token(put(nar()), &cache.token), 2 << 20), 413);
    let narinfo = "/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz.narinfo";
    assert_eq!(status(with_token(put(narinfo), &cache.token), 16 << 20), 413);
    assert_eq!(status(with_token(put("/pubkey"), &cache.token), 10), 405);
    assert_eq!(status(with_token(put("/foo"), &cache.token), 10), 405);
    assert_eq!(status(with_token(put(nar()), &cache.token), 1000), 100);
    let without_length = with_token(put(nar()), &cache.token);
    assert_eq!(cache.server.connect().send(&without_length).status(), 411);
}

#[test]
fn curl_does_not_send_the_body_of_a_refused_upload() {
    if !is_installed("curl") {
        return;
    }
    let (standard, cache) = (Standard::new(), Pushable::new());
    let nar = standard.store.nar(&standard.blob);
    let (narinfo, _) = packed(standard.store.info(&standard.blob), &nar, Compression::None);
    let body = cache.server.scratch().write("body", &nar);
    let sent = |user: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}"]);
        curl.args(["-H", "Expect: 100-continue", "--expect100-timeout", "30", "-u", user, "-T"]);
        curl.arg(&body).arg(format!("{}/{}", cache.server.url(), narinfo.url));
        run(&mut curl, Duration::from_secs(120)).text().trim().to_owned()
    };
    assert_eq!(sent("ci:wrong"), "401 0");
    let all = sent(&format!("ci:{}", cache.token));
    assert_eq!(all, format!("201 {}", nar.len()));
}

#[test]
fn a_body_that_comes_unasked_after_a_refusal_is_no_other_request() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let (narinfo, file) = packed(
        standard.store.info(&standard.blob),
        &standard.store.nar(&standard.blob),
        Compression::None,
    );
    let smuggled = b"GET /nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    for body in [file, smuggled] {
        let request = Request::new("PUT", format!("/{}", narinfo.url)).body(body);
        let mut connection = cache.server.connect();
        let answer = connection.send(&request);
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.head.header("connection"), Some("close"));
        assert!(
            connection.read_response().is_none(),
            "nothing of the body was taken for a request"
        );
    }
}

#[test]
fn a_refused_body_without_an_end_is_not_taken_for_ever() {
    let cache = Pushable::with(|builder| builder.section("[upload]\nmax_nar_size = \"1TiB\""));
    let mut socket = TcpStream::connect(cache.server.address()).unwrap();
    let head =
        format!("PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", nar(), 1_u64 << 39);
    socket.write_all(head.as_bytes()).unwrap();
    let piece = vec![0; 1 << 20];
    let mut sent = 0;
    while socket.write_all(&piece).is_ok() {
        sent += piece.len();
        assert!(sent < 1 << 30, "a gigabyte was taken of a body that is refused");
    }
    assert_eq!(cache.server.get("/nix-cache-info").status(), 200);
}

#[test]
fn an_upload_without_a_body_leaves_the_connection_open() {
    let cache = Pushable::new();
    let mut connection = cache.server.connect();
    for _ in 0..3 {
        let empty = Request::new("PUT", nar()).header("Expect", "100-continue").body("");
        assert_eq!(connection.send(&empty).status(), 401);
        assert_eq!(connection.send(&Request::get("/nix-cache-info")).status(), 200);
    }
}
