//! The HTTP client tells apart answers that servers must not confuse.

#![expect(clippy::unwrap_used, reason = "test support")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

use rns_testing::{
    Proxy,
    http::{Connection, Request},
};

/// Answers every connection with these bytes and closes it.
fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            // A request as small as these arrives in one piece.
            assert!(client.read(&mut [0; 1024]).unwrap() > 0);
            client.write_all(bytes).unwrap();
        }
    });
    address
}

fn get(bytes: &'static [u8]) -> (Vec<u8>, bool) {
    let answer = Connection::tcp(answering(bytes)).send(&Request::get("/"));
    (answer.body, answer.complete)
}

#[test]
fn a_body_of_the_promised_length_is_complete() {
    assert_eq!(
        get(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        (b"hello".to_vec(), true)
    );
    assert_eq!(get(b"HTTP/1.1 204 No Content\r\n\r\n"), (b"".to_vec(), true));
    assert_eq!(get(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), (b"until the end".to_vec(), true));
}

#[test]
fn a_body_that_ends_too_early_is_not() {
    assert_eq!(
        get(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
        (b"hello".to_vec(), false)
    );
    let cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    assert_eq!(get(cut), (b"hello".to_vec(), false));
}

#[test]
fn chunks_are_put_together() {
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n";
    assert_eq!(get(chunks), (b"hello!".to_vec(), true));
}

#[test]
fn the_proxy_writes_down_requests_and_cuts_answers() {
    let server = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    let proxy = Proxy::cutting(server, 1, 44);
    let address = proxy.url().strip_prefix("http://").unwrap().parse().unwrap();
    let get = |target: &str| Connection::tcp(address).send(&Request::get(target).header("X", "y"));
    assert!(get("/other").complete);
    let cut = get("/nar/x.nar");
    assert_eq!((cut.complete, &*cut.body), (false, &b"01234"[..]));
    assert!(get("/nar/x.nar").complete);
    assert_eq!(proxy.request_lines(), ["GET /other", "GET /nar/x.nar", "GET /nar/x.nar"]);
    assert_eq!(proxy.requests()[0].header("x"), Some("y"));
}
