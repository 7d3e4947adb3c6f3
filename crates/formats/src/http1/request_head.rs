//! The head of a request.

use std::mem::MaybeUninit;

use super::{RequestBody, SimpleRequest, headers::Headers};

/// The longest head, in bytes.
pub const MAX_HEAD: usize = 128 << 10;

/// Most headers of one request.
const MAX_REQUEST_HEADERS: usize = 96;

/// The meaning of bytes from a client, when everything before them has been read.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadHead<'a> {
    /// The beginning of a head.
    Partial,
    /// A whole head, and possibly more behind it.
    Complete(RequestHead<'a>),
    /// No request. The beginning of the next one cannot be known.
    Invalid,
}

/// The parts of a request head that say how long it is and which path can answer it.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Bytes of the head, with the empty line at its end.
    pub len: usize,
    /// The body that follows.
    pub body: RequestBody,
    /// Whether it is an upload.
    pub is_put: bool,
    /// The request, if it is a simple one.
    pub simple: Option<SimpleRequest<'a>>,
}

/// Reads the head at the beginning of these bytes.
#[must_use]
pub fn read_head(bytes: &[u8]) -> ReadHead<'_> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_REQUEST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(len)) => {
            match (request.method, request.path, request.version) {
                (Some(method), Some(path), Some(version)) => {
                    let is_new = version == 1;
                    complete(len, &RequestLine { method, path, is_new }, request.headers)
                        .map_or(ReadHead::Invalid, ReadHead::Complete)
                }
                _ => ReadHead::Invalid,
            }
        }
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => ReadHead::Partial,
        Ok(httparse::Status::Partial) | Err(_) => ReadHead::Invalid,
    }
}

/// The first line of a request.
struct RequestLine<'a> {
    method: &'a str,
    path: &'a str,
    /// Whether the version is HTTP/1.1.
    is_new: bool,
}

fn complete<'a>(
    len: usize,
    line: &RequestLine<'a>,
    headers: &[httparse::Header<'a>],
) -> Option<RequestHead<'a>> {
    let headers = Headers::read(headers)?;
    let body = body(line, &headers)?;
    let simple = (body == RequestBody::NONE && line.is_new)
        .then(|| SimpleRequest::of(line.method, line.path, &headers))
        .flatten();
    Some(RequestHead { len, body, is_put: line.method == "PUT", simple })
}

/// The body of a request. `None`: no request may be like this.
fn body(line: &RequestLine<'_>, headers: &Headers<'_>) -> Option<RequestBody> {
    if headers.is_chunked && (!line.is_new || headers.length.is_some()) {
        return None;
    }
    if line.is_new && headers.host.is_none() {
        return None;
    }
    let body = if headers.is_chunked {
        RequestBody::CHUNKED
    } else if headers.is_web_socket {
        RequestBody::Endless
    } else if let Some(length @ 1..) = headers.length {
        RequestBody::Length(length)
    } else if line.method == "CONNECT" {
        RequestBody::Endless
    } else if line.method == "POST" && !line.is_new && headers.length.is_none() {
        return None;
    } else {
        RequestBody::NONE
    };
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/00000000000000000000000000000001.narinfo";

    fn text(text: &str) -> String {
        text.replace("PATH", PATH).replace('\n', "\r\n")
    }

    /// The one request that a text is.
    fn whole(bytes: &str) -> RequestHead<'_> {
        match read_head(bytes.as_bytes()) {
            ReadHead::Complete(head) => {
                assert_eq!(head.len, bytes.len(), "{bytes}");
                head
            }
            other => panic!("{other:?}: {bytes}"),
        }
    }

    #[test]
    fn clients_and_proxies_send_simple_requests() {
        for (lines, authorization, forwarded_for) in [
            ("Host: x", None, None),
            (
                "Host: x\nUser-Agent: curl/8 Nix/2.34\nAccept: */*\nAccept-Encoding: br, zstd",
                None,
                None,
            ),
            (
                "host: x\nX-Forwarded-For: ::1\nx-forwarded-proto: https\nX-Real-IP: ::1",
                None,
                Some("::1"),
            ),
            (
                "Host: x\nX-SSL-Client-Verify: NONE\nX-SSL-Client-S-DN:\nX-Forwarded-Host: x",
                None,
                None,
            ),
            ("Authorization: Bearer y\nHost: x\nConnection: Keep-Alive", Some("Bearer y"), None),
        ] {
            let text = text(&format!("GET PATH HTTP/1.1\n{lines}\n\n"));
            let expected = SimpleRequest {
                is_head: false,
                path: PATH,
                host: "x",
                authorization: authorization.map(str::as_bytes),
                forwarded_for: forwarded_for.map(str::as_bytes),
            };
            assert_eq!(whole(&text).simple, Some(expected), "{text}");
            let head = SimpleRequest { is_head: true, ..expected };
            assert_eq!(whole(&text.replace("GET", "HEAD")).simple, Some(head), "{text}");
        }
    }

    #[test]
    fn a_request_whose_answer_depends_on_more_is_not_simple() {
        for line in [
            "Cookie: a=b",
            "If-None-Match: *",
            "Range: bytes=0-1",
            "Connection: close",
            "Connection: keep-alive, close",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "X-SSL-Client-Verify: SUCCESS",
            "X-SSL-Client-S-DN: CN=ci",
            "X-Accel-Redirect: off",
            "Authorization: Bearer a\nAuthorization: Bearer b",
            "X-Forwarded-For: ::1\nX-Forwarded-For: ::2",
            "New: thing",
        ] {
            let text = text(&format!("GET PATH HTTP/1.1\nHost: x\n{line}\n\n"));
            assert_eq!(whole(&text).simple, None, "{text}");
        }
        for line in [
            "PUT PATH HTTP/1.1",
            "DELETE PATH HTTP/1.1",
            "GET PATH HTTP/1.0",
            "GET PATH?json HTTP/1.1",
            "GET http://x/PATH HTTP/1.1",
            "GET /%48PATH HTTP/1.1",
            "GET * HTTP/1.1",
        ] {
            let text = text(&format!("{line}\nHost: x\n\n"));
            assert_eq!(whole(&text).simple, None, "{text}");
        }
        assert_eq!(whole(&text("GET PATH HTTP/1.1\nHost: \u{e4}\n\n")).simple, None);
    }

    #[test]
    fn a_request_ends_where_its_head_says() {
        for (lines, body) in [
            ("GET / HTTP/1.1\nHost: x", RequestBody::NONE),
            ("GET / HTTP/1.0", RequestBody::NONE),
            ("GET / HTTP/1.1\nHost: x\nContent-Length: 0", RequestBody::NONE),
            ("PUT / HTTP/1.1\nHost: x\nContent-Length:  7", RequestBody::Length(7)),
            ("PUT / HTTP/1.1\nHost: x\nTransfer-Encoding: Chunked", RequestBody::CHUNKED),
            ("CONNECT x:1 HTTP/1.1\nHost: x", RequestBody::Endless),
            ("GET / HTTP/1.1\nHost: x\nUpgrade: websocket", RequestBody::Endless),
        ] {
            assert_eq!(whole(&text(&format!("{lines}\n\n"))).body, body, "{lines}");
        }
        let two = text("HEAD / HTTP/1.1\nHost: x\n\nGET / HTTP/1.1\nHost: x\n\n");
        let ReadHead::Complete(first) = read_head(two.as_bytes()) else { panic!("{two}") };
        assert_eq!(first.len, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n".len());
        for len in 0..first.len {
            assert_eq!(read_head(&two.as_bytes()[..len]), ReadHead::Partial);
        }
    }

    #[test]
    fn what_cannot_be_one_request_is_invalid() {
        for lines in [
            "\0",
            "PRI * HTTP/2.0\n\nSM",
            "GET / HTTP/1.1",
            "GET / HTTP/1.1\nHost: x\nHost: x",
            "GET / HTTP/1.1\nHost: x\nA\u{e4}: b",
            "GET / HTTP/1.1\nHost: x\n folded",
            "PUT / HTTP/1.1\nHost: x\nContent-Length: +1",
            "PUT / HTTP/1.1\nHost: x\nContent-Length: 1\nContent-Length: 1",
            "PUT / HTTP/1.1\nHost: x\nContent-Length: 1\nTransfer-Encoding: chunked",
            "PUT / HTTP/1.1\nHost: x\nTransfer-Encoding: gzip, chunked",
            "PUT / HTTP/1.0\nTransfer-Encoding: chunked",
            "POST / HTTP/1.0",
        ] {
            let text = text(&format!("{lines}\n\n"));
            assert_eq!(read_head(text.as_bytes()), ReadHead::Invalid, "{text}");
        }
        let many =
            text(&format!("GET / HTTP/1.1\nHost: x\n{}\n", "a: b\n".repeat(MAX_REQUEST_HEADERS)));
        assert_eq!(read_head(many.as_bytes()), ReadHead::Invalid);
        let long = format!("GET / HTTP/1.1\r\na: {}", "x".repeat(MAX_HEAD));
        assert_eq!(read_head(long.as_bytes()), ReadHead::Invalid);
    }
}
