//! From what was found to an HTTP answer: status, headers, conditions and ranges.

pub(crate) mod blob;
pub(crate) mod body;
pub(crate) mod error;
pub(crate) mod preserialized;
pub(crate) mod send_budget;

use std::ops::Range;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};
use bytes::Bytes;
use rns_formats::byte_range::ByteRange;

use crate::{fast_path::Outbox, response::body::Body, router::request_parts::RequestParts};

/// The answer to a request.
pub(crate) type Answer = HttpResponse<Body>;

/// How long others may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// What the URL names can never be anything else: it contains a hash of the content. It is to be resumed as well.
    Immutable,
    /// As [`Self::Hour`], for what a name stands for that says nothing of the content, and that is to be resumed: nobody on
    /// the way may make other bytes of it.
    HourAsIs,
    /// May change when a path is signed anew or built again.
    Hour,
    /// Not at all: what is missing now may be there in a second.
    Never,
}

impl Caching {
    const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Immutable => "public, max-age=31536000, immutable, no-transform",
            Self::HourAsIs => "public, max-age=3600, no-transform",
            Self::Hour => "public, max-age=3600",
            Self::Never => "no-store",
        })
    }
}

/// What a URL stands for, apart from its bytes.
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

    /// Whether the request asks for a part of what has any length at all.
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

/// What part of an entity is sent.
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

/// A short answer that is not an entity: nothing of it may be kept.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, Caching::Never.header()))
        .insert_header((
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ))
        .message_body(Body::Bytes(text.into()))
        .unwrap_or_else(broken)
}

/// What a 404 says.
pub(crate) const NOT_FOUND: &str = "not found\n";

/// There is no such thing here.
pub(crate) fn not_found() -> Answer {
    plain(StatusCode::NOT_FOUND, NOT_FOUND)
}

/// Not now; a later try may succeed. Clients remember a 404 for an hour, so an outage must never be one.
pub(crate) fn unavailable(text: impl Into<Bytes>) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

/// Nothing but reading is possible here.
pub(crate) fn method_not_allowed() -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// The same answer, which only the client that asked may keep.
pub(crate) fn for_one_client(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    let shared = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    if let Some(rest) = shared.and_then(|value| value.strip_prefix("public"))
        && let Ok(value) = HeaderValue::try_from(format!("private{rest}"))
    {
        headers.insert(header::CACHE_CONTROL, value);
    }
    answer
}

/// The same answer, whose body is sent past the framework's buffer where its connection and its kind allow that.
pub(crate) fn direct(request: &impl RequestParts, answer: Answer) -> Answer {
    let Some(outbox) = request.conn_data::<Outbox>() else { return answer };
    let mut length = None;
    let mut answer = answer.map_body(|_, body| {
        let (body, known) = body.through(outbox);
        length = known;
        body
    });
    if let Some(length) = length {
        answer.head_mut().no_chunking(true);
        answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    answer
}

/// The answer to HEAD: that to GET without its bytes.
pub(crate) fn for_method(method: &Method, answer: Answer) -> Answer {
    if method == Method::HEAD { answer.map_body(|_, body| body.into_head()) } else { answer }
}

/// A head that cannot be written is a mistake of this program, not of the client.
#[expect(clippy::needless_pass_by_value, reason = "the shape that unwrap_or_else wants")]
fn broken(error: actix_web::Error) -> Answer {
    tracing::error!("an answer could not be built: {error}");
    HttpResponse::with_body(StatusCode::INTERNAL_SERVER_ERROR, Body::Bytes(Bytes::new()))
}
