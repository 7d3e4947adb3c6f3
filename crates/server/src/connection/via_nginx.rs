//! An nginx in front that sends files of the NAR cache itself.
//!
//! It gets `X-Accel-Redirect` with a name below a location that it has marked `internal`. Only requests on the
//! listener of nginx are answered so: any other client could do nothing with an empty body.

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, HeaderValue},
};

use crate::{config::Nginx, connection::request_parts::RequestParts as _};

/// In an answer: the file that nginx is to send. In a request: `off` asks for the bytes all the same, for nginx
/// has not found the file.
pub(crate) const ACCEL_REDIRECT: &str = "x-accel-redirect";

/// In an answer: how many bytes of that file nginx may send in a second.
pub(crate) const LIMIT_RATE: HeaderName = HeaderName::from_static("x-accel-limit-rate");

/// Where nginx finds a file of the cache, if the request comes from nginx.
pub(crate) fn location(
    request: &HttpRequest,
    nginx: Option<&Nginx>,
    name: &str,
) -> Option<HeaderValue> {
    let wants_bytes = || request.headers().get(ACCEL_REDIRECT).is_some_and(|value| value == "off");
    if !request.is_from_nginx() || wants_bytes() {
        return None;
    }
    location_of(nginx, name)
}

/// Whether nginx sends files of the cache.
pub(crate) fn sends_files(nginx: Option<&Nginx>) -> bool {
    nginx.is_some_and(|nginx| nginx.prefix.is_some())
}

/// Where nginx finds a file of the cache.
pub(crate) fn location_of(nginx: Option<&Nginx>, name: &str) -> Option<HeaderValue> {
    let prefix = nginx?.prefix.as_ref()?;
    HeaderValue::try_from(format!("{prefix}{name}")).ok()
}
