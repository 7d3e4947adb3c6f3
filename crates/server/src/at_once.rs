//! What is answered at once: narinfos that were rendered before, and paths that are certainly not there, where everybody
//! may read.
//!
//! Nearly all requests are of this kind. What the others may have to wait for makes a large state, which is not even
//! made room for here.

use actix_web::http::Method;
use rns_formats::url::{self, Resource};

use crate::{
    access::{self, Permission},
    answer::{self, Answer},
    asked::Asked,
    metrics::Kind,
    routes::narinfo,
    state::State,
    watchers,
};

/// The answer; `None` says nothing.
pub(crate) fn answer(request: &impl Asked, state: &State) -> Option<(Kind, Answer)> {
    let is_read = matches!(request.head().method, Method::GET | Method::HEAD);
    if !is_read || state.limiter.is_any() || watchers::is_watching(request) {
        return None;
    }
    let views = state.views.load();
    let (view, path) = views.of(request);
    let resource = url::parse(path, request.head().uri.query())?;
    let Resource::NarInfo { hash, json: false } = resource else { return None };
    if !access::is_open(request, view, Permission::Read) {
        return None;
    }
    let known = narinfo::known(state, view, hash)?;
    let answer = known.map_or_else(answer::not_found, |rendered| narinfo::send(request, &rendered));
    Some((Kind::NarInfo, answer))
}
