//! The addresses under which a client knows a cache.

use actix_web::{
    HttpRequest,
    http::header::{FORWARDED, HOST},
};

use super::page::visited_url;
use crate::{
    caches::cache::{Cache, PUSH_PATH},
    connection::request_parts::RequestParts as _,
    life_cycle::state::ServerState,
};

/// The addresses of a cache, without a slash at the end.
pub(crate) struct CacheAddress {
    /// The address for reading.
    pub(crate) url: String,
    /// The address for pushing, if the cache takes uploads.
    pub(crate) push_url: Option<String>,
}

impl CacheAddress {
    /// By the configuration, or else by scheme and host as the client or a proxy states them: they are shown, and decide
    /// nothing.
    pub(crate) fn of(request: &HttpRequest, state: &ServerState, cache: &Cache) -> Self {
        let connection = request.connection_info();
        let public_url = state.config.public_url.as_deref().filter(|_| !cache.has_host);
        let is_secure = connection.scheme() == "https" || request.is_tls();
        let host = is_host_told(request).then(|| connection.host());
        let url = format!("{}{}", visited_url(public_url, is_secure, host), cache.path);
        let push_url = match (&cache.push, &cache.uploads) {
            (_, Some(_)) => Some(url.clone()),
            (Some(_), None) => Some(format!("{url}{PUSH_PATH}")),
            (None, None) => None,
        };
        Self { url, push_url }
    }
}

/// Whether the client or a proxy says which host was asked; the framework would make something up.
fn is_host_told(request: &HttpRequest) -> bool {
    let headers = request.headers();
    request.uri().host().is_some()
        || headers.contains_key(HOST)
        || headers.contains_key(FORWARDED)
        || headers.contains_key("x-forwarded-host")
}
