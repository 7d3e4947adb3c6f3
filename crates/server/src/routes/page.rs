//! `/`: the page for people.

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_SECURITY_POLICY, HeaderValue},
};
use bytes::Bytes;

use crate::{
    answer::{Answer, Caching, Entity},
    page::{Page, content_security_policy, visited_url},
    state::State,
    views::View,
};

pub(crate) fn get(request: &HttpRequest, state: &State, view: &View) -> Answer {
    // Scheme and host as the visitor's browser or a proxy states them: they only show up on the page.
    let connection = request.connection_info();
    let public_url = state.config.public_url.as_deref().filter(|_| !view.has_host);
    let url = visited_url(public_url, connection.scheme() == "https", Some(connection.host()));
    let url = format!("{url}{}", view.path);
    let signer = view.signer();
    let page = Page {
        url: &url,
        store_dir: view.store.store_dir(),
        priority: view.config.priority,
        keys: &signer.public_keys(),
        keys_missing: !signer.problems().is_empty(),
    };
    let mut answer = Entity::new("text/html; charset=utf-8", Caching::Never)
        .answer_bytes(request.headers(), Bytes::from(page.render()));
    answer
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(content_security_policy()));
    answer
}
