//! From a request to the route that answers it. One parser of names, no pattern matching on text.

mod cache_address;
pub(crate) mod expect;
pub mod page;
pub(crate) mod root_view;
pub(crate) mod routes;
pub(crate) mod service;
pub(crate) mod uploads;

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    HttpRequest,
    http::Method,
    web::{self, Data, Payload, ServiceConfig},
};
use rns_cache::on_behalf_of;
use rns_formats::url::{self, Resource};

use crate::{
    auth::{self, Denied, Grant, Permission, Undetermined},
    caches::cache::Cache,
    connection::request_parts::RequestParts,
    life_cycle::state::ServerState,
    metrics::{Kind, listener},
    response::{self, Answer},
    router::uploads::places::UploadPlace,
};

/// Registers the one service that answers everything.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.default_service(web::to(dispatch));
}

async fn dispatch(request: HttpRequest, payload: Payload, state: Data<ServerState>) -> Answer {
    let (kind, answer) = take_time(&request, payload, &state).await;
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
fn finish(request: &impl RequestParts, state: &ServerState, kind: Kind, answer: Answer) -> Answer {
    let answer = response::for_method(&request.head().method, answer);
    match request.head().method {
        Method::GET | Method::HEAD => state.metrics.answered(kind, answer.status().as_u16()),
        _ => state.metrics.ordered(kind, answer.status().as_u16()),
    }
    state.metrics.bytes(kind, answer.body().uncounted());
    answer
}

/// Answers a request that may have to wait.
async fn take_time(request: &HttpRequest, payload: Payload, state: &ServerState) -> (Kind, Answer) {
    if listener::is_metrics_listener(request) {
        let resource = url::parse(request.uri().path(), request.uri().query());
        return (Kind::of(resource.as_ref()), listener::answer(request, state, resource).await);
    }
    answer(request, payload, state).await
}

/// The cache that a request is for, and the resource in it. None: its path is no name of the grammar.
type RequestTarget = (Arc<Cache>, Option<Resource>);

/// The target of a request in the caches of now.
fn target(request: &impl RequestParts, state: &ServerState) -> RequestTarget {
    let caches = state.caches.load();
    let (cache, path) = caches.of(request);
    (Arc::clone(cache), url::parse(path, request.head().uri.query()))
}

async fn answer(request: &HttpRequest, payload: Payload, state: &ServerState) -> (Kind, Answer) {
    let (cache, resource) = target(request, state);
    let kind = Kind::of(resource.as_ref());
    let answer = match required_permission(request, &cache, resource.as_ref()) {
        None => perform(request, state, (&cache, None), resource).await,
        Some(_) => limited(request, payload, state, (cache, resource)).await,
    };
    (kind, answer)
}

fn required_permission(
    request: &impl RequestParts,
    cache: &Cache,
    resource: Option<&Resource>,
) -> Option<Permission> {
    let has_roots = cache.with_roots().is_some();
    auth::required_permission(resource, &request.head().method, cache.uploads.is_some(), has_roots)
}

/// Looks at all that the head of a request tells, and waits for the place of its body where that needs one.
///
/// # Errors
/// The answer that the head alone has earned.
async fn admitted_by_head(
    request: &impl RequestParts,
    state: &ServerState,
) -> Result<Option<UploadPlace>, Answer> {
    let (cache, resource) = target(request, state);
    let kind = Kind::of(resource.as_ref());
    if required_permission(request, &cache, resource.as_ref()).is_none() {
        return Ok(None);
    }
    let admitted = match allow(request, state, (cache, resource)).await {
        Ok(Allowed { cache, resource, .. }) => {
            match uploads::refused_by_head(request, state, &cache, resource.as_ref()) {
                Some(answer) => Err(answer),
                None => match uploads::direct::redirect(request, &cache, resource.as_ref()).await {
                    Some(answer) => Err(answer),
                    None => uploads::place(request, state, &cache, resource.as_ref()).await,
                },
            }
        }
        Err((denied, cache)) => Err(deny(state, denied, &cache).await),
    };
    admitted.map_err(|answer| finish(request, state, kind, answer))
}

/// The answer to a request that is not allowed.
async fn deny(state: &ServerState, denied: Denied, cache: &Cache) -> Answer {
    let answer = auth::denied::answer(denied, &state.failure_policy, &cache.challenge).await;
    match denied {
        // It passes within seconds, and is no outage.
        Denied::Undetermined(Undetermined::Soon) => answer,
        _ => cache.token_outage.learn(answer),
    }
}

/// Answers when the limits of the client allow it, by the configuration of that time: it may have changed, or a token may
/// have been revoked, while the request waited.
async fn limited(
    request: &HttpRequest,
    payload: Payload,
    state: &ServerState,
    first: RequestTarget,
) -> Answer {
    let limits = &state.config.limits;
    let address = || state.failure_policy.client(request);
    let Ok(mut admission) = state.limiter.admit_address(address).await else {
        return response::unavailable("too many requests from your address\n");
    };
    let now = if limits.per_address.is_any() { target(request, state) } else { first };
    let shared = Arc::clone(&now.0);
    let mut allowed = allow(request, state, now).await;
    if matches!(allowed, Ok(Allowed { grant: Grant { holder: Some(_), .. }, .. }))
        && shared.token_outage.is_on()
        && shared.access.can_check()
    {
        shared.token_outage.end();
    }
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
            let answer = if uploads::is_order(request, resource.as_ref()) {
                uploads::carry_out(request, state, (&cache, &grant), resource, payload).await
            } else {
                perform(request, state, (&cache, Some(&grant)), resource).await
            };
            let answer = admission.tie(answer, limits);
            if grant.private { response::for_one_client(answer) } else { answer }
        }
        Err((denied, cache)) => {
            drop(admission);
            deny(state, denied, &cache).await
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

/// Whether a request is allowed.
async fn allow(
    request: &impl RequestParts,
    state: &ServerState,
    (cache, resource): RequestTarget,
) -> Result<Allowed, (Denied, Arc<Cache>)> {
    // A resource may need no permission in a cache of today, and have needed one in that of before: it is as much as
    // reading.
    let needed = required_permission(request, &cache, resource.as_ref());
    let needed = needed.unwrap_or(Permission::Read);
    let authorised = auth::authorise(request, &cache.access, &state.failure_policy, needed).await;
    match authorised.and_then(|grant| Ok((scoped(&cache, &grant)?.into_owned(), grant))) {
        Ok((cache, grant)) => Ok(Allowed { cache, grant, resource }),
        Err(denied) => Err((denied, cache)),
    }
}

/// The cache as a client with this grant sees it.
///
/// # Errors
/// The tokens have just changed, and no token confines its holder so any more.
pub(crate) fn scoped<'a>(
    cache: &'a Arc<Cache>,
    grant: &Grant,
) -> Result<Cow<'a, Arc<Cache>>, Denied> {
    // Counting references to what all workers use would cost them more than the rest of this.
    let cache = if grant.is_pusher { cache.for_pusher() } else { cache };
    match &grant.confined_to {
        None => Ok(Cow::Borrowed(cache)),
        Some(paths) => {
            let scoped = cache.scoped_to(paths).map(Cow::Owned);
            scoped.ok_or(Denied::Undetermined(Undetermined::Outage))
        }
    }
}

async fn perform(
    request: &HttpRequest,
    state: &ServerState,
    cache: Granted<'_>,
    resource: Option<Resource>,
) -> Answer {
    match (request.method(), resource) {
        // Monitoring programs ask with any method.
        (_, Some(resource @ (Resource::Healthz | Resource::Readyz)))
        | (&Method::GET | &Method::HEAD, Some(resource)) => {
            let network = state.failure_policy.network(request);
            on_behalf_of(network, route(request, state, cache, resource)).await
        }
        (&Method::GET | &Method::HEAD, None) => response::not_found(),
        _ => response::method_not_allowed(),
    }
}

/// A cache, and the permission to use it where one was needed.
type Granted<'a> = (&'a Cache, Option<&'a Grant>);

async fn route(
    request: &HttpRequest,
    state: &ServerState,
    (cache, grant): Granted<'_>,
    resource: Resource,
) -> Answer {
    let granted = (cache, grant);
    match resource {
        Resource::Readyz | Resource::Healthz | Resource::Metrics => {
            by_name(request, state, granted, resource).await
        }
        Resource::NarInfo { .. } => {
            cache.outage.learn(by_name(request, state, granted, resource).await)
        }
        _ => cache.outage.finally(by_name(request, state, granted, resource).await),
    }
}

async fn by_name(
    request: &HttpRequest,
    state: &ServerState,
    (cache, grant): Granted<'_>,
    resource: Resource,
) -> Answer {
    match resource {
        Resource::Root => {
            let shows_roots = grant.is_some_and(|grant| grant.may_pin);
            routes::page::get(request, state, cache, shows_roots).await
        }
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
        Resource::GcRoots => routes::roots::list(request, cache).await,
        Resource::GcRoot(name) => routes::roots::get(request, cache, &name).await,
        Resource::NoGcRoot(_) => response::not_found(),
        // It is asked with a body.
        Resource::MissingPaths => response::not_found(),
        Resource::PublicKeys => routes::pubkey::get(request, cache),
        Resource::CacheConfig => routes::cache_config::get(request, state, cache),
        Resource::SamplePath => routes::sample_path::get(request, cache).await,
        Resource::Version => routes::version::get(request),
        Resource::Healthz => routes::health::alive(),
        Resource::Readyz => routes::health::ready(state).await,
        Resource::Metrics => routes::metrics::get(request, state),
    }
}
