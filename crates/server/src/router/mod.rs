//! From a request to the route that answers it. One parser of names, no pattern matching on text.

pub mod page;
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
    auth::{self, Denied, Grant, Permission},
    caches::cache::Cache,
    connection::request_parts::RequestParts,
    life_cycle::state::State,
    metrics::{Kind, listener},
    response::{self, Answer},
};

/// Registers the one service that answers everything.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.default_service(web::to(dispatch));
}

async fn dispatch(request: HttpRequest, state: Data<State>) -> Answer {
    let (kind, answer) = take_time(&request, &state).await;
    let answer = finish(&request, &state, kind, answer);
    let answer = match kind {
        // A full server must still be able to say so.
        Kind::Metrics | Kind::Health => answer,
        _ => {
            let client = || state.failure_policy.network(&request);
            response::with_share(answer, &state.send_budget, client).await
        }
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

/// Answers what may have to be waited for.
async fn take_time(request: &HttpRequest, state: &State) -> (Kind, Answer) {
    if listener::is_metrics_listener(request) {
        let resource = url::parse(request.uri().path(), request.uri().query());
        return (Kind::of(resource.as_ref()), listener::answer(request, state, resource).await);
    }
    answer(request, state).await
}

/// The cache that a request is for, and the resource in it. None: its path is no name of the grammar.
type Target = (Arc<Cache>, Option<Resource>);

/// The target of a request in the caches of now.
fn target(request: &HttpRequest, state: &State) -> Target {
    let caches = state.caches.load();
    let (cache, path) = caches.of(request);
    (Arc::clone(cache), url::parse(path, request.uri().query()))
}

async fn answer(request: &HttpRequest, state: &State) -> (Kind, Answer) {
    let (cache, resource) = target(request, state);
    let kind = Kind::of(resource.as_ref());
    let answer = match auth::required_permission(resource.as_ref(), request.method()) {
        None => perform(request, state, &cache, resource).await,
        Some(_) => limited(request, state, (cache, resource)).await,
    };
    (kind, answer)
}

/// Answers when the limits of the client allow it, by the configuration of that time: it may have changed, or a token may
/// have been revoked, while the request waited.
async fn limited(request: &HttpRequest, state: &State, first: Target) -> Answer {
    let limits = &state.config.limits;
    let address = || state.failure_policy.client(request);
    let Ok(mut admission) = state.limiter.admit_address(address).await else {
        return response::unavailable("too many requests from your address\n");
    };
    let now = if limits.per_address.is_any() { target(request, state) } else { first };
    let mut allowed = allow(request, state, now).await;
    if let Ok(Allowed { grant: Grant { holder: Some(holder), .. }, .. }) = &allowed
        && limits.per_token.is_any()
    {
        if state.limiter.admit_holder(&mut admission, holder).await.is_err() {
            return response::unavailable("too many requests with this token\n");
        }
        allowed = allow(request, state, target(request, state)).await;
    }
    match allowed {
        Ok(Allowed { cache, grant, resource }) => {
            let answer = perform(request, state, &cache, resource).await;
            let answer = admission.tie(answer, limits);
            if grant.private { response::for_one_client(answer) } else { answer }
        }
        Err((denied, cache)) => {
            drop(admission);
            let answer =
                auth::denied::answer(denied, &state.failure_policy, &cache.challenge).await;
            cache.token_outage.learn(answer)
        }
    }
}

/// A request that is allowed.
struct Allowed {
    /// The cache as this client sees it.
    cache: Arc<Cache>,
    grant: Grant,
    resource: Option<Resource>,
}

/// Whether a request is allowed what it asks for.
async fn allow(
    request: &HttpRequest,
    state: &State,
    (cache, resource): Target,
) -> Result<Allowed, (Denied, Arc<Cache>)> {
    // A resource may need no permission in a cache of today, and have needed one in that of before: it is as much as
    // reading.
    let needed =
        auth::required_permission(resource.as_ref(), request.method()).unwrap_or(Permission::Read);
    let authorised = auth::authorise(request, &cache.access, &state.failure_policy, needed).await;
    match authorised.and_then(|grant| Ok((scoped(&cache, &grant)?, grant))) {
        Ok((cache, grant)) => Ok(Allowed { cache, grant, resource }),
        Err(denied) => Err((denied, cache)),
    }
}

/// The cache as a client with this grant sees it.
///
/// # Errors
/// The tokens have just changed, and no token confines its holder so any more.
pub(crate) fn scoped(cache: &Arc<Cache>, grant: &Grant) -> Result<Arc<Cache>, Denied> {
    match &grant.confined_to {
        None => Ok(Arc::clone(cache)),
        Some(paths) => cache.scoped_to(paths).ok_or(Denied::Undetermined),
    }
}

async fn perform(
    request: &HttpRequest,
    state: &State,
    cache: &Cache,
    resource: Option<Resource>,
) -> Answer {
    match (request.method(), resource) {
        // Those who watch the service ask with whatever method their program has.
        (_, Some(resource @ (Resource::Healthz | Resource::Readyz)))
        | (&Method::GET | &Method::HEAD, Some(resource)) => {
            route(request, state, cache, resource).await
        }
        (&Method::GET | &Method::HEAD, None) => response::not_found(),
        _ => response::method_not_allowed(),
    }
}

async fn route(request: &HttpRequest, state: &State, cache: &Cache, resource: Resource) -> Answer {
    match resource {
        Resource::Readyz | Resource::Healthz | Resource::Metrics => {
            by_name(request, state, cache, resource).await
        }
        Resource::NarInfo { .. } => {
            cache.outage.learn(by_name(request, state, cache, resource).await)
        }
        _ => cache.outage.finally(by_name(request, state, cache, resource).await),
    }
}

async fn by_name(
    request: &HttpRequest,
    state: &State,
    cache: &Cache,
    resource: Resource,
) -> Answer {
    match resource {
        Resource::Root => routes::page::get(request, state, cache),
        Resource::CacheInfo => routes::cache_info::get(request, state, cache).await,
        Resource::NarInfo { hash, json } => {
            routes::narinfo::get(request, state, cache, hash, json).await
        }
        Resource::Listing(hash) => routes::listing::get(request, state, cache, hash).await,
        Resource::Nar(name) => routes::nar::get(request, state, cache, name).await,
        Resource::Log(name) => routes::log::get(request, state, cache, &name).await,
        Resource::BuildTrace { drv, output } => {
            routes::realisation::build_trace(request, cache, &drv, &output).await
        }
        Resource::Realisation(id) => routes::realisation::get(request, cache, &id).await,
        Resource::DebugInfo(id) => routes::debuginfo::get(request, cache, &id).await,
        Resource::Serve { hash, path } => {
            routes::serve::get(request, state, cache, hash, &path).await
        }
        Resource::PublicKeys => routes::pubkey::get(request, cache),
        Resource::Version => routes::version::get(request),
        Resource::Healthz => routes::health::alive(),
        Resource::Readyz => routes::health::ready(state).await,
        Resource::Metrics => routes::metrics::get(request, state),
    }
}
