//! From the answer of the service to the frames of a stream.

use std::{
    future::poll_fn,
    pin::pin,
    time::{Duration, Instant},
};

use actix_http::{Request, Response};
use actix_service::Service;
use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    http::{
        Method, StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE},
    },
};
use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use tokio::time::timeout;

use super::timeouts::Timeouts;
use crate::{
    connection::open::PRESSURE_STALL_TIMEOUT, response::preserialized::date,
    router::service::Answered,
};

/// Bytes that are asked for at a time to be sent.
const MAX_PIECE_BYTES: usize = 64 << 10;

/// How often it is looked whether the client has taken nothing for too long.
const STALL_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Why a stream ends before its answer does.
enum Ended {
    /// The client wants no more, or is gone.
    ByClient,
    /// The body broke off, or the client takes nothing.
    Here(Reason),
}

impl From<h2::Error> for Ended {
    fn from(_: h2::Error) -> Self {
        Self::ByClient
    }
}

/// Answers a head that is none.
pub(super) fn refuse(mut stream: SendResponse<Bytes>) {
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::BAD_REQUEST;
    // Fails when the client is gone.
    _ = stream.send_response(head, true);
}

/// Has a request answered, unless the client takes it back.
pub(super) async fn answer<S>(
    service: &S,
    request: Request,
    mut stream: SendResponse<Bytes>,
    timeouts: &Timeouts,
) where
    S: Service<Request, Response = Answered, Error = HttpResponse>,
{
    let is_head = request.head().method == Method::HEAD;
    let answered = tokio::select! {
        answered = service.call(request) => answered,
        _ = poll_fn(|cx| stream.poll_reset(cx)) => return,
    };
    match answered {
        Ok(answered) => respond(answered.into(), stream, is_head, timeouts).await,
        Err(error) => respond(Response::from(error), stream, is_head, timeouts).await,
    }
}

async fn respond<B: MessageBody>(
    response: Response<B>,
    mut stream: SendResponse<Bytes>,
    is_head: bool,
    timeouts: &Timeouts,
) {
    let (response, body) = response.into_parts();
    let size = body.size();
    let is_whole = is_head || size.is_eof();
    let Some(head) = head(&response, size) else {
        return stream.send_reset(Reason::INTERNAL_ERROR);
    };
    let Ok(mut sending) = stream.send_response(head, is_whole) else { return };
    if is_whole {
        return;
    }
    send_body(body, &mut sending, timeouts).await;
}

/// Sends an answer that is there. Returns its body if the client does not take that at once.
pub(super) fn at_once(
    answer: http::Response<Bytes>,
    mut stream: SendResponse<Bytes>,
) -> Option<(Bytes, SendStream<Bytes>)> {
    let (head, body) = answer.into_parts();
    let is_whole = body.is_empty();
    // Fails when the client is gone, and so does the rest.
    let mut stream = stream.send_response(http::Response::from_parts(head, ()), is_whole).ok()?;
    if is_whole {
        return None;
    }
    stream.reserve_capacity(body.len());
    if stream.capacity() < body.len() {
        return Some((body, stream));
    }
    _ = stream.send_data(body, true);
    None
}

/// Sends a body, and resets the stream when it breaks off or the client takes nothing.
pub(super) async fn send_body(
    body: impl MessageBody,
    stream: &mut SendStream<Bytes>,
    timeouts: &Timeouts,
) {
    match send(body, stream, timeouts).await {
        Ok(()) | Err(Ended::ByClient) => {}
        Err(Ended::Here(reason)) => stream.send_reset(reason),
    }
}

/// Sends a body, and reads none of it before the client is ready to take some.
async fn send(
    body: impl MessageBody,
    stream: &mut SendStream<Bytes>,
    timeouts: &Timeouts,
) -> Result<(), Ended> {
    let mut left = match body.size() {
        BodySize::Sized(length) => Some(length),
        BodySize::None | BodySize::Stream => None,
    };
    let mut body = pin!(body);
    loop {
        room(stream, 1, timeouts).await?;
        let next = tokio::select! {
            next = poll_fn(|cx| body.as_mut().poll_next(cx)) => next,
            _ = poll_fn(|cx| stream.poll_reset(cx)) => return Err(Ended::ByClient),
        };
        let Some(chunk) = next else { break };
        // Why it broke off has been told.
        let mut chunk = chunk.map_err(|_| Ended::Here(Reason::INTERNAL_ERROR))?;
        while !chunk.is_empty() {
            let room = room(stream, chunk.len().min(MAX_PIECE_BYTES), timeouts).await?;
            let piece = chunk.split_to(room.min(chunk.len()));
            left = left.map(|left| left.saturating_sub(piece.len() as u64));
            // The end goes with the last bytes.
            let is_last = left == Some(0) && chunk.is_empty();
            stream.send_data(piece, is_last)?;
            if is_last {
                // The body learns that all of it was taken.
                while let Some(Ok(_)) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {}
                return Ok(());
            }
        }
    }
    Ok(stream.send_data(Bytes::new(), true)?)
}

/// Waits until the client takes some of so many bytes, and returns how many.
async fn room(
    stream: &mut SendStream<Bytes>,
    wanted: usize,
    timeouts: &Timeouts,
) -> Result<usize, Ended> {
    stream.reserve_capacity(wanted);
    if stream.capacity() > 0 {
        return Ok(stream.capacity());
    }
    let since = Instant::now();
    loop {
        match timeout(STALL_POLL_INTERVAL, poll_fn(|cx| stream.poll_capacity(cx))).await {
            Ok(Some(Ok(0))) => {}
            Ok(Some(Ok(room))) => return Ok(room),
            Ok(Some(Err(_)) | None) => return Err(Ended::ByClient),
            Err(_) => {
                let waited = since.elapsed();
                let is_stalled = waited >= timeouts.stall
                    || waited >= PRESSURE_STALL_TIMEOUT && timeouts.pressure.take();
                if is_stalled {
                    return Err(Ended::Here(Reason::CANCEL));
                }
            }
        }
    }
}

fn head(response: &Response<()>, size: BodySize) -> Option<http::Response<()>> {
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(response.status().as_u16()).ok()?;
    let headers = head.headers_mut();
    for (name, value) in response.headers() {
        // These are about the connection, which HTTP/2 sees to.
        if [CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(name) {
            continue;
        }
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        headers.append(name, http::HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    if let BodySize::Sized(length) = size
        && response.status() != StatusCode::NOT_MODIFIED
        && response.status() != StatusCode::NO_CONTENT
    {
        headers.insert(CONTENT_LENGTH.as_str(), length.into());
    }
    if !headers.contains_key(DATE.as_str()) {
        headers.insert(DATE.as_str(), date());
    }
    Some(head)
}
