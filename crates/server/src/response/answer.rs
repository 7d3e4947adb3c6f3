//! Answers that are about no entity, and changes that any answer may need.

use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;

use super::{
    body::Body,
    caching::Caching,
    send_budget::{Client, SendBudget},
};
use crate::{connection::request_parts::RequestParts, fast_path::Outbox};

/// The answer to a request.
pub(crate) type Answer = HttpResponse<Body>;

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

/// The longest text for a client about its mistake, in bytes.
const MAX_ANSWER_TEXT_BYTES: usize = 900;

/// The beginning of a text, as a line: the first missing paths are as telling as thousands.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > MAX_ANSWER_TEXT_BYTES {
        let end =
            (0..=MAX_ANSWER_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text.push('\n');
    text
}

/// The text of a 404.
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

/// Nothing is taken at any address of the cache.
pub(crate) fn no_push_address() -> Answer {
    let text = "this cache takes no pushes: neither storage.url nor upload.target is set\n";
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// Uploads are taken at another address.
pub(crate) fn push_address(url: &str) -> Answer {
    let text = format!("this address is for reading; push to {url}\n");
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, text);
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

/// Waits until an answer that takes much memory may be sent to this client.
pub(crate) async fn with_share(
    answer: Answer,
    budget: &SendBudget,
    client: impl FnOnce() -> Client,
) -> Answer {
    let Some(bytes) = answer.body().needs_share() else { return answer };
    let share = budget.bytes(client(), bytes).await;
    answer.map_body(|_, body| body.with_share(share))
}

/// The answer to HEAD: that to GET without its bytes.
pub(crate) fn for_method(method: &Method, answer: Answer) -> Answer {
    if method == Method::HEAD { answer.map_body(|_, body| body.into_head()) } else { answer }
}

/// A head that cannot be written is a mistake of this program, not of the client.
#[expect(clippy::needless_pass_by_value, reason = "the shape that unwrap_or_else wants")]
pub(super) fn broken(error: actix_web::Error) -> Answer {
    tracing::error!("an answer could not be built: {error}");
    HttpResponse::with_body(StatusCode::INTERNAL_SERVER_ERROR, Body::Bytes(Bytes::new()))
}
