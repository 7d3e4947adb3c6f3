//! Requests that need no framework.

use super::headers::Headers;

/// A `GET` or `HEAD` over HTTP/1.1 or HTTP/2 without a body, a query, an escape, a condition or a range, on a connection that stays open.
///
/// All other headers of it are such that no answer depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimpleRequest<'a> {
    /// Whether the answer is sent without its body.
    pub is_head: bool,
    /// The path, with a slash at the beginning.
    pub path: &'a str,
    /// The header `Host`.
    pub host: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// The header `X-Forwarded-For`.
    pub forwarded_for: Option<&'a [u8]>,
}

impl<'a> SimpleRequest<'a> {
    /// The request over HTTP/2 with these parts and without a body, if it is a simple one. `path` includes a query;
    /// `host` is the authority.
    #[must_use]
    pub fn of_stream(
        method: &str,
        path: &'a str,
        host: &'a str,
        list: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<Self> {
        let mut headers = Headers { host: Some(host.as_bytes()), ..Headers::none() };
        for (name, value) in list {
            headers.add(&httparse::Header { name, value })?;
        }
        let has_body = headers.is_chunked || headers.length.is_some();
        // With a login in it, it is more than a host.
        if has_body || host.contains('@') { None } else { Self::of(method, path, &headers) }
    }

    /// The request with these parts and without a body, if it is a simple one.
    pub(super) fn of(method: &str, path: &'a str, headers: &Headers<'a>) -> Option<Self> {
        let is_plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'.' | b'-' | b'_');
        let host = headers.host.filter(|host| host.is_ascii())?;
        let is_head = method == "HEAD";
        let is_simple = (method == "GET" || is_head) && !headers.has_others;
        (is_simple && path.starts_with('/') && path.bytes().all(is_plain)).then_some(Self {
            is_head,
            path,
            host: str::from_utf8(host).ok()?,
            authorization: headers.authorization,
            forwarded_for: headers.forwarded_for,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/00000000000000000000000000000001.narinfo";

    fn stream<'a>(
        method: &str,
        path: &'a str,
        host: &'a str,
        headers: &'a [(&str, &str)],
    ) -> Option<SimpleRequest<'a>> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        SimpleRequest::of_stream(method, path, host, headers)
    }

    #[test]
    fn a_stream_of_a_client_that_downloads_is_simple() {
        let headers =
            [("user-agent", "curl/8 Nix/2.34"), ("accept-encoding", "zstd"), ("accept", "*/*")];
        let simple = stream("GET", PATH, "a:5000", &headers).unwrap();
        assert_eq!((simple.path, simple.host, simple.authorization), (PATH, "a:5000", None));
        let simple = stream("GET", PATH, "a", &[("authorization", "Basic eDp5")]).unwrap();
        assert_eq!((simple.authorization, simple.is_head), (Some(&b"Basic eDp5"[..]), false));
        assert!(stream("HEAD", PATH, "a", &[]).unwrap().is_head);
    }

    #[test]
    fn a_stream_on_which_an_answer_could_depend_is_not_simple() {
        assert!(stream("PUT", PATH, "a", &[]).is_none());
        assert!(stream("GET", "/x.narinfo?json", "a", &[]).is_none());
        assert!(stream("GET", "*", "a", &[]).is_none());
        assert!(stream("GET", PATH, "user@a", &[]).is_none());
        let name = ("authorization", "Basic eDp5");
        assert!(stream("GET", PATH, "a", &[name, name]).is_none());
        for header in [
            ("host", "b"),
            ("if-none-match", "\"x\""),
            ("range", "bytes=0-1"),
            ("content-length", "0"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=b"),
        ] {
            assert!(stream("GET", PATH, "a", &[header]).is_none(), "{header:?}");
        }
    }
}
