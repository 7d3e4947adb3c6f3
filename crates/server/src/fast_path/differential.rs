//! The end of a request is where the framework sees it. The property is that of the fuzzer; here it is tried on requests
//! that are put together from likely parts.

use proptest::{collection::vec, prelude::*, sample::select};

#[path = "../../../../tests/fuzz/src/http1.rs"]
mod http1;

const FIRST_LINES: &[&str] = &[
    "GET /00000000000000000000000000000001.narinfo HTTP/1.1",
    "GET /a/../b%2e?c=d#e HTTP/1.1",
    "GET //x/y_z-1.nar.xz HTTP/1.1",
    "GET http://x/y HTTP/1.1",
    "GET * HTTP/1.1",
    "HEAD / HTTP/1.1",
    "GET / HTTP/1.0",
    "POST / HTTP/1.0",
    "PUT / HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "CONNECT x:1 HTTP/1.1",
    "PRI * HTTP/2.0",
    "get / HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET / HTTP/1.2",
    "",
];

const HEADERS: &[&str] = &[
    "Host: x",
    "Host: x",
    "hOST:y:80",
    "Host: \u{e4}",
    "Authorization: Basic YTpi",
    "AUTHORIZATION:\tBearer x ",
    "X-Forwarded-For: ::1, 10.0.0.1",
    "Accept: */*",
    "Accept-Encoding: zstd",
    "User-Agent: Nix",
    "Connection: keep-alive",
    "Connection: close",
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Range: bytes=0-1",
    "If-None-Match: *",
    "X-SSL-Client-Verify: NONE",
    "X-SSL-Client-S-DN:",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length:  3 ",
    "Content-Length: +3",
    "Content-Length: 3, 3",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: \tCHUNKED ",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    " folded",
    "no colon",
    "a b: c",
    ": empty",
];

const BODIES: &[&str] = &[
    "",
    "hello",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\nF \t\r\n0123456789abcde\r\n0;x\r\nTrailer: y\r\n\r\n",
    "fffffffffffffffff\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhelloo\r\n",
    "0\r\n\n\r\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// A request, or bytes that look like one, and the bytes behind it.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let headers = vec(select(HEADERS), 0..5);
    let end = select(&["\r\n", "\r\n", "\r\n", "\n"][..]);
    let damage = prop_oneof![
        4 => Just(None),
        1 => (any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(Some),
    ];
    (select(FIRST_LINES), headers, end, select(BODIES), select(BODIES), damage).prop_map(
        |(first, headers, end, body, behind, damage)| {
            let lines = [&[first], &headers[..], &["", ""]].concat();
            let mut bytes = [&lines.join(end), body, behind].concat().into_bytes();
            if let Some((index, byte)) = damage {
                let at = index.index(bytes.len());
                match byte {
                    Some(byte) => bytes[at] = byte,
                    None => bytes.truncate(at),
                }
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_request_ends_where_the_framework_sees_its_end(bytes in requests()) {
        http1::run(&bytes);
    }
}
