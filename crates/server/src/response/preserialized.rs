//! Answers as they go over a connection, all but the date.

use std::{
    cell::RefCell,
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::http::header::{CACHE_CONTROL, HttpDate};
use bytes::{Buf as _, Bytes};

use super::answer::Answer;

/// Stands for the date until the answer is sent; as long as any date.
const NO_DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// The bytes of an answer to GET over HTTP/1.1, on a connection that stays open.
#[derive(Clone, Debug)]
pub(crate) struct Preserialized {
    bytes: Bytes,
    places: Places,
    body: usize,
}

/// Where something is put when the answer is sent.
#[derive(Clone, Copy, Debug)]
struct Places {
    date: usize,
    /// The word of `Cache-Control` that lets proxies keep the answer.
    public: Option<usize>,
}

/// Who an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerAudience {
    /// Every client: proxies may keep it for others.
    Everybody,
    /// The client that asked.
    OneClient,
}

/// Lets proxies keep an answer, or only its client.
const PUBLIC: &[u8] = b"public";
const PRIVATE: &[u8] = b"private";

/// Appends the head of an answer with a body of this length. Returns the places of date and audience.
fn write_head(answer: &Answer, length: u64, target: &mut Vec<u8>) -> Places {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let put = |target: &mut Vec<u8>, parts: &[&[u8]]| {
        parts.iter().for_each(|part| target.extend_from_slice(part));
    };
    put(target, &[b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason.as_bytes()]);
    put(target, &[b"\r\ncontent-length: ", length.to_string().as_bytes(), b"\r\n"]);
    let mut public = None;
    for (name, value) in answer.headers() {
        put(target, &[name.as_str().as_bytes(), b": "]);
        if name == CACHE_CONTROL && value.as_bytes().starts_with(PUBLIC) {
            public = Some(target.len());
        }
        put(target, &[value.as_bytes(), b"\r\n"]);
    }
    put(target, &[b"date: "]);
    let date = target.len();
    target.extend_from_slice(NO_DATE.as_bytes());
    target.extend_from_slice(b"\r\n\r\n");
    Places { date, public }
}

fn put_date(target: &mut [u8], at: usize) {
    if let Some(date) = target.get_mut(at..at + NO_DATE.len()) {
        NOW.with_borrow_mut(|now| date.copy_from_slice(now.text()));
    }
}

impl Preserialized {
    /// The head of an answer with a body of this length, which is sent from elsewhere.
    pub(crate) fn head(answer: &Answer, length: u64) -> Self {
        let mut bytes = Vec::with_capacity(512);
        let places = write_head(answer, length, &mut bytes);
        Self { body: bytes.len(), bytes: bytes.into(), places }
    }

    /// An answer with this body.
    pub(crate) fn new(answer: &Answer, body: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(512 + body.len());
        let places = write_head(answer, body.len() as u64, &mut bytes);
        let start = bytes.len();
        bytes.extend_from_slice(body);
        Self { bytes: bytes.into(), places, body: start }
    }

    /// The body.
    pub(crate) fn body(&self) -> Bytes {
        self.bytes.slice(self.body..)
    }

    /// The length of the body.
    pub(crate) fn body_len(&self) -> usize {
        self.bytes.len() - self.body
    }

    /// Memory in use, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the answer as it is to be sent now.
    pub(crate) fn write(&self, audience: AnswerAudience, target: &mut Vec<u8>) {
        self.write_part(&self.bytes, audience, target);
    }

    /// Appends the answer to HEAD as it is to be sent now.
    pub(crate) fn write_head(&self, audience: AnswerAudience, target: &mut Vec<u8>) {
        self.write_part(self.bytes.get(..self.body).unwrap_or_default(), audience, target);
    }

    fn write_part(&self, bytes: &[u8], audience: AnswerAudience, target: &mut Vec<u8>) {
        let mut start = target.len();
        match self.places.public.filter(|_| audience == AnswerAudience::OneClient) {
            Some(public) => {
                let (before, behind) = bytes.split_at(public);
                target.extend_from_slice(before);
                target.extend_from_slice(PRIVATE);
                target.extend_from_slice(behind.get(PUBLIC.len()..).unwrap_or_default());
                // The date is the last header.
                start += PRIVATE.len() - PUBLIC.len();
            }
            None => target.extend_from_slice(bytes),
        }
        put_date(target, start + self.places.date);
    }
}

impl Preserialized {
    /// The answer over HTTP/2 as it is to be sent now. `None`: HTTP/2 has no such status or header.
    pub(crate) fn stream_answer(
        &self,
        status: u16,
        audience: AnswerAudience,
    ) -> Option<http::Response<Bytes>> {
        let mut answer = http::Response::new(self.body());
        *answer.status_mut() = http::StatusCode::from_u16(status).ok()?;
        let headers = answer.headers_mut();
        let mut head = self.bytes.slice(..self.body);
        // The first line, and no header.
        take_line(&mut head)?;
        while let Some(line) = take_line(&mut head).filter(|line| !line.is_empty()) {
            let (name, value) =
                line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
            let name = http::HeaderName::from_bytes(name).ok()?;
            let value = match value.strip_prefix(b": ")? {
                _ if name == http::header::DATE => date(),
                value
                    if name == http::header::CACHE_CONTROL
                        && audience == AnswerAudience::OneClient
                        && value.starts_with(PUBLIC) =>
                {
                    let rest = value.get(PUBLIC.len()..)?;
                    http::HeaderValue::from_bytes(&[PRIVATE, rest].concat()).ok()?
                }
                value => http::HeaderValue::from_maybe_shared(line.slice_ref(value)).ok()?,
            };
            headers.append(name, value);
        }
        Some(answer)
    }
}

/// Takes a line from the beginning of a head, and its end.
fn take_line(head: &mut Bytes) -> Option<Bytes> {
    let end = head.windows(2).position(|two| two == b"\r\n")?;
    let line = head.split_to(end);
    head.advance(2);
    Some(line)
}

/// The header `Date` of an answer that is sent now.
pub(crate) fn date() -> http::HeaderValue {
    NOW.with_borrow_mut(|now| http::HeaderValue::from_bytes(now.text()))
        .unwrap_or(http::HeaderValue::from_static(NO_DATE))
}

thread_local! {
    static NOW: RefCell<Now> = const { RefCell::new(Now { second: Duration::ZERO, text: String::new() }) };
}

/// The date of the present second.
struct Now {
    second: Duration,
    text: String,
}

impl Now {
    fn text(&mut self) -> &[u8] {
        let now = SystemTime::now();
        let second =
            Duration::from_secs(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        if second != self.second || self.text.len() != NO_DATE.len() {
            self.second = second;
            self.text.clear();
            if write!(self.text, "{}", HttpDate::from(now)).is_err()
                || self.text.len() != NO_DATE.len()
            {
                NO_DATE.clone_into(&mut self.text);
            }
        }
        self.text.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response;

    fn written(prepared: &Preserialized) -> (String, Vec<u8>) {
        let mut bytes = b"before".to_vec();
        prepared.write(AnswerAudience::Everybody, &mut bytes);
        let bytes = bytes.strip_prefix(b"before").unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec())
    }

    #[test]
    fn an_answer_is_written_as_the_framework_would() {
        let prepared = Preserialized::new(&response::not_found(), b"text");
        let (head, body) = written(&prepared);
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n"), "{head}");
        assert!(head.contains("\r\ncache-control: no-store\r\n"), "{head}");
        assert_eq!(
            (&*body, &*prepared.body(), prepared.body_len()),
            (&b"text"[..], &b"text"[..], 4)
        );
    }

    #[test]
    fn an_answer_for_one_client_is_not_for_proxies() {
        let answer = response::Entity::new("text/plain", response::Caching::Hour)
            .answer_whole(response::body::Body::Bytes(Bytes::new()));
        let mut bytes = Vec::new();
        Preserialized::new(&answer, b"public").write(AnswerAudience::OneClient, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\r\ncache-control: private, max-age=3600\r\n"), "{text}");
        assert!(text.ends_with(" GMT\r\n\r\npublic"), "{text}");
        assert!(!text.contains("1970"), "{text}");
    }

    #[test]
    fn over_http_2_the_answer_is_the_same() {
        let answer = response::Entity::new("text/plain", response::Caching::Hour)
            .answer_whole(response::body::Body::Bytes(Bytes::new()));
        let prepared = Preserialized::new(&answer, b"text");
        let (head, _) = written(&prepared);
        let stream = prepared.stream_answer(200, AnswerAudience::Everybody).unwrap();
        assert_eq!((stream.status().as_u16(), &**stream.body()), (200, &b"text"[..]));
        let lines = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
        let expected: Vec<_> = lines.filter(|(name, _)| *name != "date").collect();
        let headers =
            stream.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let (dates, headers): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| *name == "date");
        assert_eq!(headers, expected);
        assert!(matches!(dates[..], [(_, date)] if date != NO_DATE), "{dates:?}");
        let private = prepared.stream_answer(200, AnswerAudience::OneClient).unwrap();
        assert_eq!(private.headers()["cache-control"], "private, max-age=3600");
    }

    #[test]
    fn the_date_is_that_of_now() {
        let prepared = Preserialized::head(&response::not_found(), 7);
        let date = || {
            let (head, body) = written(&prepared);
            assert!(body.is_empty() && head.contains("content-length: 7\r\n"), "{head}");
            head.split_once("\r\ndate: ").unwrap().1.to_owned()
        };
        let (before, date, after) = (SystemTime::now(), date(), SystemTime::now());
        let possible = [before, after].map(|time| HttpDate::from(time).to_string());
        assert!(possible.contains(&date), "{date} is none of {possible:?}");
    }
}
