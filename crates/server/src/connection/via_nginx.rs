//! An nginx in front that sends files of the NAR cache itself.
//!
//! It gets `X-Accel-Redirect` with a name below a location that it has marked `internal`. Only what arrives on the
//! listener that is nginx's is answered so: any other client could do nothing with an empty body.

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, HeaderValue},
};

use crate::{
    connection::{listen::Purpose, of},
    life_cycle::state::State,
    router::request_parts::RequestParts,
};

/// In an answer: the file that nginx is to send. In a request: `off` asks for the bytes all the same, for nginx
/// has not found the file.
pub(crate) const HEADER: &str = "x-accel-redirect";

/// In an answer: how many bytes of that file nginx may send in a second.
pub(crate) const LIMIT_RATE: HeaderName = HeaderName::from_static("x-accel-limit-rate");

/// Whether it is nginx that asks.
pub(crate) fn is_nginx(request: &impl RequestParts) -> bool {
    of::is_for(request, Purpose::Nginx)
}

/// Where nginx finds a file of the cache, if it is nginx that asks.
pub(crate) fn location(request: &HttpRequest, state: &State, name: &str) -> Option<HeaderValue> {
    if !is_nginx(request) || request.headers().get(HEADER).is_some_and(|value| value == "off") {
        return None;
    }
    location_of(state, name)
}

/// Whether nginx sends files of the cache.
pub(crate) fn sends_files(state: &State) -> bool {
    state.config.nginx.as_ref().is_some_and(|nginx| nginx.prefix.is_some())
}

/// Where nginx finds a file of the cache.
pub(crate) fn location_of(state: &State, name: &str) -> Option<HeaderValue> {
    let prefix = state.config.nginx.as_ref()?.prefix.as_ref()?;
    HeaderValue::try_from(format!("{prefix}{name}")).ok()
}
