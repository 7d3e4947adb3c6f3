//! What is answered at once: narinfos that were rendered before, and paths that are certainly not there, where everybody
//! may read.
//!
//! Nearly all requests are of this kind. What the others may have to wait for makes a large state, which is not even
//! made room for here.

use actix_web::{HttpRequest, http::Method};
use rns_formats::url::{self, Resource};

use crate::{
    access::{self, Permission},
    answer::Answer,
    metrics::Kind,
    routes::narinfo,
    state::State,
    watchers,
};

/// The answer; `None` says nothing.
pub(crate) fn answer(request: &HttpRequest, state: &State) -> Option<(Kind, Answer)> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || state.limiter.is_any() || watchers::is_watching(request) {
        return None;
    }
    let views = state.views.load();
    let (view, path) = views.of(request);
    let resource = url::parse(path, request.uri().query())?;
    let Resource::NarInfo { hash, json: false } = resource else { return None };
    if !access::is_open(request, view, Permission::Read) {
        return None;
    }
    Some((Kind::NarInfo, narinfo::known(request, state, view, hash)?))
}
