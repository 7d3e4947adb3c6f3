//! The body of an upload: whole in memory where it is small, otherwise as it comes.

use actix_web::{HttpRequest, http::header, web::Payload};
use bytes::{Bytes, BytesMut};
use rns_cache::{PublishError, WritableCache};
use rns_formats::Compression;
use tokio_stream::StreamExt as _;

/// The length of the body as the client announces it, in bytes.
pub(super) fn length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// All of a small body, decompressed where the client has compressed it.
///
/// # Errors
/// `TooLarge` beyond `limit` bytes, packed or not; `Malformed` when it ends early or its encoding is unknown.
pub(super) async fn small(
    request: &HttpRequest,
    target: &dyn WritableCache,
    mut payload: Payload,
    limit: u64,
) -> Result<Bytes, PublishError> {
    let too_large = || PublishError::TooLarge { object: "the body".to_owned(), limit };
    if length(request).is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| cut_short())?;
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let Some(compression) = encoding(request)? else { return Ok(body.freeze()) };
    target.decompress(compression, body.freeze(), limit).await
}

/// The client left, or sent less than it announced.
pub(super) fn cut_short() -> PublishError {
    PublishError::Malformed { object: "the body".to_owned(), why: "it ends early".to_owned() }
}

/// How the client has compressed a small object (`narinfo-compression` and its like).
fn encoding(request: &HttpRequest) -> Result<Option<Compression>, PublishError> {
    let Some(value) = request.headers().get(header::CONTENT_ENCODING) else { return Ok(None) };
    match value.to_str().map(str::trim) {
        Ok("" | "identity") => Ok(None),
        Ok(name) => Compression::parse(name).map(Some).map_err(|_| PublishError::Malformed {
            object: "the body".to_owned(),
            why: "its Content-Encoding is not known".to_owned(),
        }),
        Err(_) => Err(cut_short()),
    }
}
