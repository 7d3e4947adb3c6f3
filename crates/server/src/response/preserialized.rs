//! Answers as they go over a connection, all but the date.

use std::{
    cell::RefCell,
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::http::header::HttpDate;
use bytes::Bytes;

use crate::response::Answer;

/// What stands for the date until it is sent, as long as any date.
const NO_DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// The bytes of an answer to GET over HTTP/1.1, on a connection that stays open.
#[derive(Clone, Debug)]
pub(crate) struct Preserialized {
    bytes: Bytes,
    date: usize,
    body: usize,
}

/// Appends the head of an answer with a body of this length. Returns where the date is to be put.
fn write_head(answer: &Answer, length: u64, target: &mut Vec<u8>) -> usize {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| target.extend_from_slice(part));
    put(&[b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason.as_bytes()]);
    put(&[b"\r\ncontent-length: ", length.to_string().as_bytes(), b"\r\n"]);
    for (name, value) in answer.headers() {
        put(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    put(&[b"date: "]);
    let date = target.len();
    target.extend_from_slice(NO_DATE.as_bytes());
    target.extend_from_slice(b"\r\n\r\n");
    date
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
        let date = write_head(answer, length, &mut bytes);
        Self { body: bytes.len(), bytes: bytes.into(), date }
    }

    /// An answer with this body.
    pub(crate) fn new(answer: &Answer, body: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(512 + body.len());
        let date = write_head(answer, body.len() as u64, &mut bytes);
        let start = bytes.len();
        bytes.extend_from_slice(body);
        Self { bytes: bytes.into(), date, body: start }
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
    pub(crate) fn write(&self, target: &mut Vec<u8>) {
        let start = target.len() + self.date;
        target.extend_from_slice(&self.bytes);
        put_date(target, start);
    }
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
        prepared.write(&mut bytes);
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
