//! Taking paths and queries apart.

use std::borrow::Cow;

/// The segments of a path, decoded one by one. Empty segments are passed over.
#[derive(Clone, Debug)]
pub(super) struct Segments<'a> {
    rest: &'a str,
}

impl<'a> Segments<'a> {
    /// `None` for a path that does not begin with a slash. The empty path is the same as `/`.
    pub(super) fn new(raw_path: &'a str) -> Option<Self> {
        (raw_path.is_empty() || raw_path.starts_with('/')).then_some(Self { rest: raw_path })
    }

    /// Whether nothing is left, not even a slash.
    pub(super) const fn is_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The one segment that is left, without a slash behind it.
    pub(super) fn only(self) -> Option<Cow<'a, [u8]>> {
        let last = self.rest.trim_start_matches('/');
        // Neither can a segment be empty, nor one with a slash that is not escaped.
        if last.is_empty() || last.contains('/') { None } else { segment(last) }
    }

    /// Whether the path ends with a slash.
    pub(super) fn trailing_slash(&self) -> bool {
        self.rest.ends_with('/')
    }
}

impl<'a> Iterator for Segments<'a> {
    /// `None` inside for a segment that cannot be part of any name.
    type Item = Option<Cow<'a, [u8]>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches('/');
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find('/').unwrap_or(self.rest.len());
        let (first, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(segment(first))
    }
}

/// The value of the first parameter called `key`: empty when there is no `=`, not decoded when its
/// escapes are broken.
pub(super) fn query_value<'a>(raw_query: Option<&'a str>, key: &str) -> Option<Cow<'a, [u8]>> {
    raw_query?
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| decode(value).unwrap_or_else(|| value.as_bytes().into()))
}

/// Replaces each `%` and the two hexadecimal digits behind it by the byte they stand for. `None`
/// when the digits are missing.
pub(super) fn decode(raw: &str) -> Option<Cow<'_, [u8]>> {
    let Some((plain, escaped)) = raw.split_once('%') else { return Some(raw.as_bytes().into()) };
    let mut decoded = Vec::with_capacity(raw.len());
    decoded.extend_from_slice(plain.as_bytes());
    for part in escaped.as_bytes().split(|&byte| byte == b'%') {
        let [high, low, rest @ ..] = part else { return None };
        decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
        decoded.extend_from_slice(rest);
    }
    Some(decoded.into())
}

fn segment(raw: &str) -> Option<Cow<'_, [u8]>> {
    let decoded = decode(raw)?;
    let harmless =
        !matches!(&*decoded, b"." | b"..") && !decoded.iter().any(|byte| matches!(byte, b'/' | 0));
    harmless.then_some(decoded)
}

fn hex_digit(digit: u8) -> Option<u8> {
    // The cast keeps the value: it is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Option<Vec<Vec<u8>>> {
        Segments::new(path)?.map(|segment| segment.map(Cow::into_owned)).collect()
    }

    fn split(path: &str) -> Option<Vec<String>> {
        segments(path)
            .map(|all| all.into_iter().map(|one| String::from_utf8(one).unwrap()).collect())
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode("a%2Bb+%3f%3D").as_deref(), Some(&b"a+b+?="[..]));
        assert_eq!(decode("%252e").as_deref(), Some(&b"%2e"[..]));
        assert_eq!(decode("%ff%00").as_deref(), Some(&b"\xff\0"[..]));
        assert!(matches!(decode("a+b"), Some(Cow::Borrowed(_))));
        for broken in ["%", "%1", "a%", "%g0", "%0g", "%%41", "%+1", "%\u{e9}"] {
            assert_eq!(decode(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn slashes_in_a_row_count_as_one() {
        for path in ["/a/b", "//a/b", "/a//b", "///a///b//"] {
            assert_eq!(split(path).unwrap(), ["a", "b"], "{path}");
        }
        assert_eq!(split("").unwrap(), [""; 0]);
        assert_eq!(split("//").unwrap(), [""; 0]);
        assert_eq!(split("a/b"), None);
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        for path in [
            "/.",
            "/..",
            "/a/../b",
            "/%2e",
            "/%2E%2e",
            "/.%2e/a",
            "/a%2fb",
            "/%2F",
            "/a%00",
            "/%2e%2e%2fb",
        ] {
            assert_eq!(segments(path), None, "{path}");
        }
        assert_eq!(split("/.../.a/a..b").unwrap(), ["...", ".a", "a..b"]);
        assert_eq!(segments("/%ff%5c").unwrap(), [b"\xff\\".to_vec()]);
    }

    #[test]
    fn parameters_are_found_by_name() {
        assert_eq!(
            query_value(Some("a=1&hash=x%3dy&hash=z"), "hash").as_deref(),
            Some(&b"x=y"[..])
        );
        assert_eq!(query_value(Some("json"), "json").as_deref(), Some(&b""[..]));
        assert_eq!(query_value(Some("xhash=1&hashx=2&a=hash=3"), "hash"), None);
        assert_eq!(query_value(Some("hash=%"), "hash").as_deref(), Some(&b"%"[..]));
        assert_eq!(query_value(None, "hash"), None);
    }
}
