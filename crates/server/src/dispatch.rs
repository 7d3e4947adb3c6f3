//! From a request to the route that answers it. One parser of names, no pattern matching on text.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::Method,
    web::{self, Data, ServiceConfig},
};
use rns_formats::url::{self, Resource};

use crate::{
    access,
    answer::{self, Answer},
    at_once,
    metrics::Kind,
    routes,
    state::State,
    views::View,
    watchers,
};

/// Registers the one service that answers everything.
pub(crate) fn configure(service: &mut ServiceConfig) {
    service.default_service(web::to(dispatch));
}

async fn dispatch(request: HttpRequest, state: Data<State>) -> Answer {
    let (kind, answer) = match at_once::answer(&request, &state) {
        Some(answered) => answered,
        None => Box::pin(take_time(&request, &state)).await,
    };
    let answer = answer::for_method(request.method(), answer);
    state.metrics.answered(kind, answer.status().as_u16());
    state.metrics.bytes(kind, answer.body().uncounted());
    answer
}

/// Answers what may have to be waited for.
async fn take_time(request: &HttpRequest, state: &State) -> (Kind, Answer) {
    let views = state.views.load_full();
    let watching = watchers::is_watching(request);
    let (view, path) =
        if watching { (views.default(), request.uri().path()) } else { views.of(request) };
    let resource = url::parse(path, request.uri().query());
    let kind = Kind::of(resource.as_ref());
    let answer = if watching {
        watchers::answer(request, state, resource).await
    } else {
        answer(request, state, view, resource).await
    };
    (kind, answer)
}

async fn answer(
    request: &HttpRequest,
    state: &State,
    view: &Arc<View>,
    resource: Option<Resource>,
) -> Answer {
    let Some(needed) = access::needed(resource.as_ref(), request.method()) else {
        return perform(request, state, view, resource).await;
    };
    let Ok(mut turn) = state.limiter.admit_address(request, state).await else {
        return answer::unavailable("too many requests from your address\n");
    };
    let grant = match access::authorise(request, state, view, needed).await {
        Ok(grant) => grant,
        Err(refusal) => {
            drop(turn);
            return access::refused::answer(refusal, state, view).await;
        }
    };
    if let Some(holder) = &grant.holder
        && state.limiter.admit_holder(&mut turn, holder).await.is_err()
    {
        return answer::unavailable("too many requests with this token\n");
    }
    let answer = perform(request, state, &grant.view, resource).await;
    let answer = turn.tie(answer, &state.config.limits);
    if grant.private { answer::for_one_client(answer) } else { answer }
}

async fn perform(
    request: &HttpRequest,
    state: &State,
    view: &View,
    resource: Option<Resource>,
) -> Answer {
    match (request.method(), resource) {
        (&Method::GET | &Method::HEAD, Some(resource)) => {
            route(request, state, view, resource).await
        }
        (&Method::GET | &Method::HEAD, None) => answer::not_found(),
        _ => answer::method_not_allowed(),
    }
}

async fn route(request: &HttpRequest, state: &State, view: &View, resource: Resource) -> Answer {
    match resource {
        Resource::Root => routes::page::get(request, state, view),
        Resource::CacheInfo => routes::cache_info::get(request, view),
        Resource::NarInfo { hash, json } => {
            routes::narinfo::get(request, state, view, hash, json).await
        }
        Resource::Listing(hash) => routes::listing::get(request, view, hash).await,
        Resource::Nar(name) => routes::nar::get(request, state, view, name).await,
        Resource::Log(name) => routes::log::get(request, state, view, &name).await,
        Resource::BuildTrace { drv, output } => {
            routes::realisation::build_trace(request, view, &drv, &output).await
        }
        Resource::Realisation(id) => routes::realisation::get(request, view, &id).await,
        Resource::DebugInfo(id) => routes::debuginfo::get(request, view, &id).await,
        Resource::Serve { hash, path } => {
            routes::serve::get(request, state, view, hash, &path).await
        }
        Resource::PublicKeys => routes::pubkey::get(request, view),
        Resource::Version => routes::version::get(request),
        Resource::Healthz => routes::health::alive(),
        Resource::Readyz => routes::health::ready(state).await,
        Resource::Metrics => routes::metrics::get(request, state),
    }
}
