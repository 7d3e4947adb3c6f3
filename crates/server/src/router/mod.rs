//! From a request to the route that answers it. One parser of names, no pattern matching on text.

pub mod page;
pub(crate) mod request_parts;
pub(crate) mod routes;
pub(crate) mod service;

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::Method,
    web::{self, Data, ServiceConfig},
};
use rns_formats::url::{self, Resource};

use crate::{
    auth::{self, Grant, Permission, denied::Denied},
    caches::registry::Cache,
    life_cycle::state::State,
    metrics::{Kind, listener},
    response::{self, Answer},
    router::request_parts::RequestParts,
};

/// Registers the one service that answers everything.
pub(crate) fn configure(service: &mut ServiceConfig) {
    service.default_service(web::to(dispatch));
}

async fn dispatch(request: HttpRequest, state: Data<State>) -> Answer {
    let (kind, answer) = take_time(&request, &state).await;
    let answer = finish(&request, &state, kind, answer);
    let answer = match kind {
        // A full server must still be able to say so.
        Kind::Metrics | Kind::Health => answer,
        _ => with_share(&request, &state, answer).await,
    };
    response::direct(&request, answer)
}

/// Counts an answer that is as good as sent.
fn finish(request: &impl RequestParts, state: &State, kind: Kind, answer: Answer) -> Answer {
    let answer = response::for_method(&request.head().method, answer);
    state.metrics.answered(kind, answer.status().as_u16());
    state.metrics.bytes(kind, answer.body().uncounted());
    answer
}

/// Waits until an answer that takes much memory may be sent.
pub(crate) async fn with_share(request: &HttpRequest, state: &State, answer: Answer) -> Answer {
    let Some(bytes) = answer.body().needs_share() else { return answer };
    let share = state.send_budget.bytes(state.failure_policy.network(request), bytes).await;
    answer.map_body(|_, body| body.with_share(share))
}

/// Answers what may have to be waited for.
async fn take_time(request: &HttpRequest, state: &State) -> (Kind, Answer) {
    if listener::is_metrics_listener(request) {
        let resource = url::parse(request.uri().path(), request.uri().query());
        return (Kind::of(resource.as_ref()), listener::answer(request, state, resource).await);
    }
    answer(request, state).await
}

/// The cache that a request is for, and what it asks of it.
type Meant = (Arc<Cache>, Option<Resource>);

/// What a request means as things are now.
fn meant(request: &HttpRequest, state: &State) -> Meant {
    let views = state.views.load();
    let (view, path) = views.of(request);
    (Arc::clone(view), url::parse(path, request.uri().query()))
}

async fn answer(request: &HttpRequest, state: &State) -> (Kind, Answer) {
    let (view, resource) = meant(request, state);
    let kind = Kind::of(resource.as_ref());
    let answer = match auth::needed(resource.as_ref(), request.method()) {
        None => perform(request, state, &view, resource).await,
        Some(_) => limited(request, state, (view, resource)).await,
    };
    (kind, answer)
}

/// Answers when it is the client's turn, and as what was configured says at that time: it may have changed, or a token may have
/// been revoked, while the request waited.
async fn limited(request: &HttpRequest, state: &State, first: Meant) -> Answer {
    let limits = &state.config.limits;
    let Ok(mut turn) = state.limiter.admit_address(request, state).await else {
        return response::unavailable("too many requests from your address\n");
    };
    let now = if limits.per_address.is_any() { meant(request, state) } else { first };
    let mut allowed = allow(request, state, now).await;
    if let Ok((Grant { holder: Some(holder), .. }, _)) = &allowed
        && limits.per_token.is_any()
    {
        if state.limiter.admit_holder(&mut turn, holder).await.is_err() {
            return response::unavailable("too many requests with this token\n");
        }
        allowed = allow(request, state, meant(request, state)).await;
    }
    match allowed {
        Ok((grant, resource)) => {
            let answer = perform(request, state, &grant.view, resource).await;
            let answer = turn.tie(answer, limits);
            if grant.private { response::for_one_client(answer) } else { answer }
        }
        Err((refusal, view)) => {
            drop(turn);
            view.token_outage.learn(auth::denied::answer(refusal, state, &view).await)
        }
    }
}

/// Whether a request is allowed what it asks for.
async fn allow(
    request: &HttpRequest,
    state: &State,
    (view, resource): Meant,
) -> Result<(Grant, Option<Resource>), (Denied, Arc<Cache>)> {
    // What needs no permission in a cache of today needed one in that of before: it is as much as reading.
    let needed = auth::needed(resource.as_ref(), request.method()).unwrap_or(Permission::Read);
    match auth::authorise(request, state, &view, needed).await {
        Ok(grant) => Ok((grant, resource)),
        Err(refusal) => Err((refusal, view)),
    }
}

async fn perform(
    request: &HttpRequest,
    state: &State,
    view: &Cache,
    resource: Option<Resource>,
) -> Answer {
    match (request.method(), resource) {
        // Those who watch the service ask with whatever method their program has.
        (_, Some(resource @ (Resource::Healthz | Resource::Readyz)))
        | (&Method::GET | &Method::HEAD, Some(resource)) => {
            route(request, state, view, resource).await
        }
        (&Method::GET | &Method::HEAD, None) => response::not_found(),
        _ => response::method_not_allowed(),
    }
}

async fn route(request: &HttpRequest, state: &State, view: &Cache, resource: Resource) -> Answer {
    match resource {
        Resource::Readyz | Resource::Healthz | Resource::Metrics => {
            by_name(request, state, view, resource).await
        }
        Resource::NarInfo { .. } => {
            view.outage.learn(by_name(request, state, view, resource).await)
        }
        _ => view.outage.finally(by_name(request, state, view, resource).await),
    }
}

async fn by_name(request: &HttpRequest, state: &State, view: &Cache, resource: Resource) -> Answer {
    match resource {
        Resource::Root => routes::page::get(request, state, view),
        Resource::CacheInfo => routes::cache_info::get(request, state, view).await,
        Resource::NarInfo { hash, json } => {
            routes::narinfo::get(request, state, view, hash, json).await
        }
        Resource::Listing(hash) => routes::listing::get(request, state, view, hash).await,
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
