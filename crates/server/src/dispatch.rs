//! From a request to the route that answers it. One parser of names, no pattern matching on text.

use actix_web::{
    HttpRequest,
    http::Method,
    web::{self, Data, ServiceConfig},
};
use rns_formats::url::{self, Resource};

use crate::{
    answer::{self, Answer},
    body::Body,
    metrics::Kind,
    routes,
    state::State,
};

/// Registers the one service that answers everything.
pub(crate) fn configure(service: &mut ServiceConfig) {
    service.default_service(web::to(dispatch));
}

async fn dispatch(request: HttpRequest, state: Data<State>) -> Answer {
    let resource = url::parse(request.uri().path(), request.uri().query());
    let kind = Kind::of(resource.as_ref());
    let answer = match *request.method() {
        Method::GET | Method::HEAD => match resource {
            Some(resource) => {
                answer::for_method(request.method(), route(&request, &state, resource).await)
            }
            None => answer::for_method(request.method(), answer::not_found()),
        },
        _ => answer::method_not_allowed(),
    };
    state.metrics.answered(kind, answer.status().as_u16());
    if let Body::Bytes(bytes) = answer.body() {
        state.metrics.bytes(kind, bytes.len());
    }
    answer
}

async fn route(request: &HttpRequest, state: &State, resource: Resource) -> Answer {
    match resource {
        Resource::Root => routes::page::get(request, state),
        Resource::CacheInfo => routes::cache_info::get(request, state),
        Resource::NarInfo { hash, json } => routes::narinfo::get(request, state, hash, json).await,
        Resource::Listing(hash) => routes::listing::get(request, state, hash).await,
        Resource::Nar(name) => routes::nar::get(request, state, name).await,
        Resource::Log(name) => routes::log::get(request, state, &name).await,
        Resource::BuildTrace { drv, output } => {
            routes::realisation::build_trace(request, state, &drv, &output).await
        }
        Resource::Realisation(id) => routes::realisation::get(request, state, &id).await,
        Resource::DebugInfo(id) => routes::debuginfo::get(request, state, &id).await,
        Resource::Serve { hash, path } => routes::serve::get(request, state, hash, &path).await,
        Resource::PublicKeys => routes::pubkey::get(request, state),
        Resource::Version => routes::version::get(request),
        Resource::Healthz => routes::health::alive(),
        Resource::Readyz => routes::health::ready(state).await,
        Resource::Metrics => routes::metrics::get(request, state),
    }
}
