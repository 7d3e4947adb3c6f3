//! What a client has sent, as far as it decides who answers.

use rns_formats::{
    Compression,
    url::{self, Resource},
};

/// The most headers that are looked at. Nix sends four, and proxies add some.
const HEADERS: usize = 24;

/// What was read from a connection in one go, when nothing came before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// One request and nothing else: for a narinfo or a compressed NAR, with no header that the answer could depend on.
    Plain(Resource),
    /// One other request without a body, and nothing else.
    Other,
    /// Anything else: part of a request, several, one with a body, or none at all.
    Unclear,
}

impl Head {
    /// Reads it with the parser that the framework uses.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => Self::of_request(&request),
            _ => Self::Unclear,
        }
    }

    fn of_request(request: &httparse::Request<'_, '_>) -> Self {
        let (mut hosts, mut all_known) = (0, true);
        for header in request.headers.iter() {
            match Name::of(header) {
                Name::Host => hosts += 1,
                Name::Irrelevant => {}
                Name::Relevant => all_known = false,
                Name::Body => return Self::Unclear,
            }
        }
        match (request.method, request.version) {
            (Some("GET"), Some(1)) if all_known && hosts == 1 => {
                request.path.and_then(plain).map_or(Self::Other, Self::Plain)
            }
            (Some("GET" | "HEAD"), _) => Self::Other,
            _ => Self::Unclear,
        }
    }
}

/// What a path without escapes and query names.
fn plain(path: &str) -> Option<Resource> {
    if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-".contains(&byte)) {
        return None;
    }
    url::parse(path, None).filter(|resource| match resource {
        Resource::NarInfo { json, .. } => !json,
        Resource::Nar(name) => name.compression != Compression::None,
        _ => false,
    })
}

/// What a header means for the answer.
enum Name {
    Host,
    /// Nothing, where everybody gets the same.
    Irrelevant,
    /// It may mean something.
    Relevant,
    /// There is a body, or a change of protocol.
    Body,
}

impl Name {
    fn of(header: &httparse::Header<'_>) -> Self {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            4 if is("host") => Self::Host,
            6 if is("accept") => Self::Irrelevant,
            7 if is("upgrade") => Self::Body,
            9 if is("x-real-ip") => Self::Irrelevant,
            10 if is("user-agent") => Self::Irrelevant,
            10 if is("connection") && header.value.eq_ignore_ascii_case(b"keep-alive") => {
                Self::Irrelevant
            }
            14 if is("content-length") => Self::Body,
            15 if is("accept-encoding") || is("accept-language") || is("x-forwarded-for") => {
                Self::Irrelevant
            }
            17 if is("transfer-encoding") => Self::Body,
            17 if is("x-forwarded-proto") => Self::Irrelevant,
            _ => Self::Relevant,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rns_formats::HashPart;

    use super::*;

    const HASH: &str = "00000000000000000000000000000001";

    fn head(text: &str) -> Head {
        Head::of(text.replace("HASH", HASH).replace('\n', "\r\n").as_bytes())
    }

    fn narinfo() -> Head {
        Head::Plain(Resource::NarInfo { hash: HashPart::parse(HASH).unwrap(), json: false })
    }

    #[test]
    fn what_clients_send_for_a_narinfo_is_known() {
        for text in [
            "GET /HASH.narinfo HTTP/1.1\nHost: x\n\n",
            "GET /HASH.narinfo HTTP/1.1\nHost: cache:80\nUser-Agent: curl/8 Nix/2.34\nAccept: */*\n\
             Accept-Encoding: deflate, gzip, br, zstd\n\n",
            "GET /HASH.narinfo HTTP/1.1\nhost: x\nX-Forwarded-For: ::1\nx-forwarded-proto: https\n\
             X-Real-IP: ::1\nConnection: Keep-Alive\n\n",
        ] {
            assert_eq!(head(text), narinfo(), "{text}");
        }
    }

    #[test]
    fn whatever_could_change_the_answer_is_left_to_the_framework() {
        for line in [
            "Authorization: Bearer x",
            "Cookie: a=b",
            "If-None-Match: *",
            "Range: bytes=0-1",
            "Connection: close",
            "Connection: keep-alive, close",
            "Expect: 100-continue",
            "X-SSL-Client-Verify: SUCCESS",
            "X-Accel-Redirect: off",
            "Host: another",
            "New: thing",
        ] {
            let text = format!("GET /HASH.narinfo HTTP/1.1\nHost: x\n{line}\n\n");
            assert_eq!(head(&text), Head::Other, "{text}");
        }
        for line in [
            "HEAD /HASH.narinfo HTTP/1.1",
            "GET /HASH.narinfo HTTP/1.0",
            "GET /HASH.narinfo?json HTTP/1.1",
            "GET /team/HASH.narinfo HTTP/1.1",
            "GET /HASH.ls HTTP/1.1",
            "GET http://x/HASH.narinfo HTTP/1.1",
            "GET /%48ASH.narinfo HTTP/1.1",
            "GET / HTTP/1.1",
        ] {
            assert_eq!(head(&format!("{line}\nHost: x\n\n")), Head::Other, "{line}");
        }
        assert_eq!(head("GET /HASH.narinfo HTTP/1.1\n\n"), Head::Other);
    }

    #[test]
    fn what_is_not_one_request_is_unclear() {
        let whole = "GET /HASH.narinfo HTTP/1.1\nHost: x\n\n";
        for text in [
            "",
            "G",
            "GET /HASH.narinfo HTTP/1.1\nHost: x\n",
            "\0\n\n",
            "PRI * HTTP/2.0\n\nSM\n\n",
            "GET /HASH.narinfo HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
            "GET /HASH.narinfo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n",
            "GET /HASH.narinfo HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: h2c\n\n",
            "GET /HASH.narinfo HTTP/1.1\nHost: x\nA\u{e4}: b\n\n",
            "PUT /HASH.narinfo HTTP/1.1\nHost: x\n\n",
            "GET /HASH.narinfo HTTP/1.1\nHost: x\n folded\n\n",
        ] {
            assert_eq!(head(text), Head::Unclear, "{text}");
        }
        assert_eq!(head(&whole.repeat(2)), Head::Unclear);
        assert_eq!(head(&format!("{whole}G")), Head::Unclear);
        assert_eq!(
            head(&whole.replace("Host", &format!("{}Host", "a: b\n".repeat(HEADERS)))),
            Head::Unclear
        );
    }

    proptest! {
        /// Both readers of URLs take a plain path for the same.
        #[test]
        fn a_plain_request_is_what_the_framework_would_take_it_for(
            path in "/{1,2}(nar/)?[0-9a-df-np-sv-z]{31,33}(-[0-9a-df-np-sv-z]{52})?(\\.narinfo|\\.nar|\\.nar\\.zst|\\.nar\\.xz|\\.ls)[?#%./a]{0,2}"
        ) {
            let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            if let Head::Plain(resource) = Head::of(text.as_bytes()) {
                let uri: actix_web::http::Uri = path.parse().unwrap();
                prop_assert_eq!(url::parse(uri.path(), uri.query()), Some(resource));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            _ = Head::of(&bytes);
        }
    }
}
