//! From the head of a stream to a request for the framework's router.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::{BoxedPayloadStream, HttpMessage as _, Payload, Request, error::PayloadError};
use actix_web::http::{
    Method, Uri, Version,
    header::{HeaderName, HeaderValue},
};
use bytes::Bytes;
use futures_core::Stream;
use h2::RecvStream;
use http::request::Parts;
use rns_formats::http1::SimpleRequest;

use crate::connection::info::ConnectionInfo;

/// The request, or `None` for a head that no HTTP/1 request could have.
pub(super) fn from_head(
    parts: &Parts,
    body: RecvStream,
    of: &Rc<ConnectionInfo>,
) -> Option<Request> {
    let payload: BoxedPayloadStream = Box::pin(Received(body));
    let mut request = Request::with_payload(Payload::Stream { payload });
    let head = request.head_mut();
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).ok()?;
    head.uri = Uri::try_from(parts.uri.to_string()).ok()?;
    head.version = Version::HTTP_2;
    head.peer_addr = of.peer;
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    request.extensions_mut().insert(Rc::clone(of));
    Some(request)
}

/// The request without a body, if it is so simple that no framework is needed for it.
pub(super) fn simple<'a>(parts: &'a Parts, body: &RecvStream) -> Option<SimpleRequest<'a>> {
    if !body.is_end_stream() {
        return None;
    }
    let host = parts.uri.authority()?.as_str();
    let path = parts.uri.path_and_query()?.as_str();
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    SimpleRequest::of_stream(parts.method.as_str(), path, host, headers)
}

/// The body of a request. Reading it makes room for more.
struct Received(RecvStream);

impl Stream for Received {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(chunk) = ready!(self.0.poll_data(cx)) else { return Poll::Ready(None) };
        let read = chunk.and_then(|chunk| {
            self.0.flow_control().release_capacity(chunk.len())?;
            Ok(chunk)
        });
        Poll::Ready(Some(read.map_err(|_| PayloadError::Incomplete(None))))
    }
}
