//! From the head of a stream to a request for the framework's router.

use std::rc::Rc;

use actix_http::{HttpMessage as _, Payload, Request};
use actix_web::http::{
    Method, Uri, Version,
    header::{HeaderName, HeaderValue},
};
use http::request::Parts;

use crate::connection::info::ConnectionInfo;

/// The request, or `None` where the head says what no HTTP/1 head could.
pub(super) fn from_head(parts: &Parts, of: &Rc<ConnectionInfo>) -> Option<Request> {
    let mut request = Request::with_payload(Payload::None);
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
