//! From an entity to its answer: status, headers, conditions and ranges.

use std::ops::Range;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};
use bytes::Bytes;
use rns_formats::byte_range::ByteRange;

use super::{
    answer::{Answer, broken},
    body::Body,
    caching::Caching,
};

/// An entity, apart from its bytes.
pub(crate) struct Entity {
    pub(crate) content_type: HeaderValue,
    /// The strong validator with its quotes: the same bytes have the same one, always.
    pub(crate) etag: Option<HeaderValue>,
    pub(crate) caching: Caching,
}

impl Entity {
    pub(crate) const fn new(content_type: &'static str, caching: Caching) -> Self {
        Self { content_type: HeaderValue::from_static(content_type), etag: None, caching }
    }

    pub(crate) fn with_etag(mut self, etag: HeaderValue) -> Self {
        self.etag = Some(etag);
        self
    }

    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut head = HttpResponse::build(status);
        head.insert_header((header::CACHE_CONTROL, self.caching.header()));
        if let Some(etag) = &self.etag {
            head.insert_header((header::ETAG, etag.clone()));
        }
        head
    }

    /// The whole of it, from memory; 304 when the client has it.
    pub(crate) fn answer_bytes(&self, headers: &HeaderMap, bytes: Bytes) -> Answer {
        if self.is_known(headers) {
            return self.not_modified();
        }
        self.answer_whole(Body::Bytes(bytes))
    }

    /// The whole of it.
    pub(crate) fn answer_whole(&self, body: Body) -> Answer {
        let mut head = self.head(StatusCode::OK);
        head.insert_header((header::CONTENT_TYPE, self.content_type.clone()));
        head.message_body(body).unwrap_or_else(broken)
    }

    /// Whether the client has said that it holds these bytes.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(etag) = self.etag.as_ref().and_then(|etag| etag.to_str().ok()) else {
            return false;
        };
        headers.get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).any(
            |value| {
                value
                    .split(',')
                    .map(str::trim)
                    .any(|known| known == "*" || known.trim_start_matches("W/") == etag)
            },
        )
    }

    /// 304.
    pub(crate) fn not_modified(&self) -> Answer {
        self.head(StatusCode::NOT_MODIFIED)
            .message_body(Body::Bytes(Bytes::new()))
            .unwrap_or_else(broken)
    }

    /// Whether the request asks for a part, of any length.
    pub(crate) fn asks_for_part(&self, headers: &HeaderMap) -> bool {
        !matches!(self.part(headers, u64::MAX), Part::Whole(_))
    }

    /// Which part of `len` bytes the request asks for.
    pub(crate) fn part(&self, headers: &HeaderMap, len: u64) -> Part {
        let mut ranges = headers.get_all(header::RANGE);
        let (Some(range), None) = (ranges.next(), ranges.next()) else { return Part::Whole(len) };
        let (Ok(range), true) = (range.to_str(), self.range_is_wanted(headers)) else {
            return Part::Whole(len);
        };
        match ByteRange::parse(range, len) {
            ByteRange::Whole => Part::Whole(len),
            ByteRange::Part { start, end_exclusive } => Part::Range(start..end_exclusive, len),
            ByteRange::Unsatisfiable => Part::Nowhere(len),
        }
    }

    /// `If-Range`: the part is wanted only of the bytes that the client knows. A date never matches,
    /// since all files of a store have the same.
    fn range_is_wanted(&self, headers: &HeaderMap) -> bool {
        headers.get(header::IF_RANGE).is_none_or(|wanted| {
            self.etag.as_ref().is_some_and(|etag| wanted.as_bytes() == etag.as_bytes())
        })
    }

    /// The part with its bytes.
    pub(crate) fn answer_part(&self, part: &Part, body: Body) -> Answer {
        let mut head = self.head(match part {
            Part::Whole(_) => StatusCode::OK,
            Part::Range(..) => StatusCode::PARTIAL_CONTENT,
            Part::Nowhere(_) => StatusCode::RANGE_NOT_SATISFIABLE,
        });
        head.insert_header((header::ACCEPT_RANGES, HeaderValue::from_static("bytes")));
        match part {
            Part::Whole(_) => {}
            Part::Range(range, len) => {
                let last = range.end.saturating_sub(1);
                head.insert_header((
                    header::CONTENT_RANGE,
                    format!("bytes {}-{last}/{len}", range.start),
                ));
            }
            Part::Nowhere(len) => {
                head.insert_header((header::CACHE_CONTROL, Caching::Never.header()));
                head.insert_header((header::CONTENT_RANGE, format!("bytes */{len}")));
            }
        }
        head.insert_header((header::CONTENT_TYPE, self.content_type.clone()));
        head.message_body(body).unwrap_or_else(broken)
    }
}

/// The strong validator with this text, which holds nothing but letters, digits and dashes.
pub(crate) fn etag(tag: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The part of an entity that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: this many bytes.
    Whole(u64),
    /// These bytes of so many.
    Range(Range<u64>, u64),
    /// The request asks for bytes that do not exist; so many do.
    Nowhere(u64),
}

impl Part {
    /// The bytes to send.
    pub(crate) fn range(&self) -> Range<u64> {
        match self {
            Self::Whole(len) => 0..*len,
            Self::Range(range, _) => range.clone(),
            Self::Nowhere(_) => 0..0,
        }
    }

    /// How many that are.
    pub(crate) fn len(&self) -> u64 {
        let range = self.range();
        range.end.saturating_sub(range.start)
    }
}
