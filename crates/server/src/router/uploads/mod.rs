//! `PUT`, `DELETE` and `POST`: clients upload objects, remove paths, and ask which are missing.

mod body;
pub(crate) mod direct;
mod documents;
mod head;
mod missing;
mod nar;
mod narinfo;
mod pace;
pub(crate) mod places;
mod root_request;
mod roots;

use std::sync::Arc;

use actix_http::HttpMessage as _;
use actix_web::{
    HttpRequest,
    http::{Method, StatusCode, header},
    web::Payload,
};
use rns_cache::{CacheError, PublishError};
use rns_formats::{HashPart, url::Resource};

use self::{
    body::{IncomingBody, IncomingContext},
    head::BadHead,
    places::UploadPlace,
};
use crate::{
    auth::Grant,
    caches::{cache::Cache, uploads::Uploads},
    connection::request_parts::RequestParts,
    life_cycle::state::ServerState,
    metrics::{Kind, RefusedUpload},
    response::{self, Answer, publish_error},
    router::page::visited_url,
};

/// Why the head of a request to upload or to delete something is refused, if it is.
pub(crate) fn refused_by_head(
    request: &impl RequestParts,
    state: &ServerState,
    cache: &Cache,
    resource: Option<&Resource>,
) -> Option<Answer> {
    if !is_order(request, resource) {
        return None;
    }
    let Some(uploads) = target(cache, resource) else {
        return Some(match &cache.push {
            Some(push) => response::push_address(&address_of(push, request, state)),
            None => response::no_push_address(),
        });
    };
    match head::check(request, &*uploads.target, resource).err()? {
        BadHead::NoSuchUpload => Some(response::method_not_allowed()),
        BadHead::BadRootName(error) => {
            Some(response::plain(StatusCode::BAD_REQUEST, format!("{error}\n")))
        }
        BadHead::NoLength => {
            state.metrics.upload_refused(RefusedUpload::Length);
            let text = "the length of the body must be said\n";
            Some(response::plain(StatusCode::LENGTH_REQUIRED, text))
        }
        BadHead::TooLarge(error) => Some(refuse(state, &error)),
    }
}

/// Returns true for requests that this module answers.
pub(crate) fn is_order(request: &impl RequestParts, resource: Option<&Resource>) -> bool {
    match request.head().method {
        Method::PUT | Method::DELETE => true,
        Method::POST => matches!(resource, Some(Resource::MissingPaths)),
        _ => false,
    }
}

/// The cache that takes the order. Roots are those of the cache, at its reading and at its push address.
fn target<'a>(cache: &'a Cache, resource: Option<&Resource>) -> Option<&'a Arc<Uploads>> {
    match resource {
        Some(Resource::GcRoots | Resource::GcRoot(_) | Resource::NoGcRoot(_)) => cache.with_roots(),
        _ => cache.uploads.as_ref(),
    }
}

/// The address of a cache as the client of this request knows it.
fn address_of(cache: &Cache, request: &impl RequestParts, state: &ServerState) -> String {
    let header = |name: &str| request.head().headers.get(name)?.to_str().ok();
    let public_url = state.config.public_url.as_deref().filter(|_| !cache.has_host);
    let is_secure = header("x-forwarded-proto") == Some("https") || request.is_tls();
    let host = request.head().uri.authority().map(|authority| authority.as_str());
    let host = host.or_else(|| header(header::HOST.as_str()));
    format!("{}{}", visited_url(public_url, is_secure, host), cache.path)
}

/// Waits until there is room for the upload. `None`: it needs none.
///
/// # Errors
/// The answer when there is none in time.
pub(crate) async fn place(
    request: &impl RequestParts,
    state: &ServerState,
    cache: &Cache,
    resource: Option<&Resource>,
) -> Result<Option<UploadPlace>, Answer> {
    let (Some(uploads), Some(resource)) = (target(cache, resource), resource) else {
        return Ok(None);
    };
    if !matches!(request.head().method, Method::PUT | Method::POST) {
        return Ok(None);
    }
    let limit = head::limit(&*uploads.target, resource).unwrap_or_default();
    let headers = &request.head().headers;
    // A body with a content encoding can become as large as the limit.
    let is_packed = headers.contains_key(header::CONTENT_ENCODING);
    let bytes = head::length(headers).filter(|_| !is_packed).unwrap_or(limit);
    let place = state.upload_places.take(resource, bytes).await;
    place.map(Some).map_err(|_| {
        state.metrics.upload_refused(RefusedUpload::Busy);
        response::unavailable("too much is being uploaded\n")
    })
}

/// Answers a client that may push, or delete.
pub(crate) async fn carry_out(
    request: &HttpRequest,
    state: &ServerState,
    (cache, grant): (&Cache, &Grant),
    resource: Option<Resource>,
    payload: Payload,
) -> Answer {
    if let Some(answer) = refused_by_head(request, state, cache, resource.as_ref()) {
        return answer;
    }
    let uploads = target(cache, resource.as_ref());
    let (Some(uploads), Some(resource)) = (uploads, resource) else {
        return response::method_not_allowed();
    };
    if let Some(redirect) = direct::redirect(request, cache, Some(&resource)).await {
        return redirect;
    }
    // It may have been given before `100 Continue`.
    let held = request.extensions_mut().remove::<UploadPlace>();
    let place = match held {
        Some(place) => Some(place),
        None => match place(request, state, cache, Some(&resource)).await {
            Ok(place) => place,
            Err(answer) => return answer,
        },
    };
    let done = match (request.method(), resource) {
        (&Method::DELETE, Resource::GcRoot(name)) => {
            let order = roots::RootOrder { request, state, cache, grant, uploads };
            return cache.outage.finally(roots::delete(&order, &name).await);
        }
        (&Method::DELETE, Resource::NarInfo { hash, .. }) => {
            delete(request, state, grant, uploads, hash).await
        }
        (&Method::PUT | &Method::POST, resource) => {
            let limit = head::limit(&*uploads.target, &resource).unwrap_or_default();
            if let Some(connection) = request.connection() {
                connection.uploads.notify_one();
            }
            let in_flight = state.metrics.upload(Kind::of(Some(&resource)));
            let stall_timeout = state.config.limits.stall_timeout;
            let place = place.as_ref();
            let context = IncomingContext { in_flight, limit, stall_timeout, place };
            let incoming = IncomingBody::new(request, payload, context);
            if let Resource::GcRoot(name) = resource {
                let order = roots::RootOrder { request, state, cache, grant, uploads };
                return match incoming.small(&*uploads.target).await {
                    Ok(body) => cache.outage.finally(roots::put(&order, name, &body).await),
                    Err(error) => refuse(state, &error),
                };
            }
            if matches!(resource, Resource::MissingPaths) {
                return match missing::answer(cache, &*uploads.target, incoming).await {
                    Ok(answer) => answer,
                    Err(error) => cache.outage.finally(refuse(state, &error)),
                };
            }
            put(request, state, (cache, grant), uploads, resource, incoming).await
        }
        _ => return response::method_not_allowed(),
    };
    note_outage(cache, &done);
    match done {
        // Never 202: clients take it for a failure.
        Ok(status) => response::plain(status, ""),
        Err(error) => cache.outage.finally(refuse(state, &error)),
    }
}

/// Tells the operator that uploads cannot be taken, and that they can be again: once each, since clients come again and again.
fn note_outage(cache: &Cache, done: &Result<StatusCode, PublishError>) {
    match done {
        Ok(_) if cache.upload_outage.is_on() => {
            cache.upload_outage.end();
            tracing::info!("uploads are taken again");
        }
        Err(error @ (PublishError::Full | PublishError::Cache(CacheError::Unavailable { .. })))
            if cache.upload_outage.begin() =>
        {
            tracing::error!("uploads are refused: {error}");
        }
        Ok(_) | Err(_) => {}
    }
}

/// Counts why an upload is refused, and says so.
fn refuse(state: &ServerState, error: &PublishError) -> Answer {
    state.metrics.upload_refused(publish_error::reason(error));
    publish_error::refuse_upload(error)
}

/// Takes an upload.
async fn put(
    request: &HttpRequest,
    state: &ServerState,
    (cache, grant): (&Cache, &Grant),
    uploads: &Uploads,
    resource: Resource,
    incoming: IncomingBody<'_>,
) -> Result<StatusCode, PublishError> {
    let target = &*uploads.target;
    match resource {
        // Clients whose first question was answered with 404 send their own; ours stays.
        Resource::CacheInfo => incoming.small(target).await.map(|_| StatusCode::OK),
        Resource::Nar(name) => nar::put(target, &name, incoming).await,
        Resource::NarInfo { hash, .. } => {
            narinfo::put(request, state, (cache, grant), uploads, (hash, incoming)).await
        }
        Resource::Listing(hash) => documents::listing(grant, target, hash, incoming).await,
        Resource::Log(name) => documents::log(grant, target, &name, incoming).await,
        Resource::Realisation(id) => {
            let known = state.caches.load().known_keys();
            documents::realisation((grant, &known), uploads, &id, incoming).await
        }
        Resource::BuildTrace { drv, output } => {
            let known = state.caches.load().known_keys();
            documents::build_trace((grant, &known), uploads, (&drv, &output), incoming).await
        }
        Resource::DebugInfo(id) => documents::debug_info(grant, target, &id, incoming).await,
        // Their heads were refused.
        Resource::MissingPaths
        | Resource::GcRoots
        | Resource::GcRoot(_)
        | Resource::NoGcRoot(_)
        | Resource::Root
        | Resource::Serve { .. }
        | Resource::PublicKeys
        | Resource::CacheConfig
        | Resource::SamplePath
        | Resource::Version
        | Resource::Healthz
        | Resource::Readyz
        | Resource::Metrics => Ok(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Removes a path, which is a miss from now on.
async fn delete(
    request: &HttpRequest,
    state: &ServerState,
    grant: &Grant,
    uploads: &Uploads,
    hash: HashPart,
) -> Result<StatusCode, PublishError> {
    let found = uploads.target.path_info(hash).await?;
    if let Some(found) = &found
        && !grant.may_name(found.info.path.name())
    {
        return Err(PublishError::NotAllowed { object: found.info.path.to_string() });
    }
    let order = narinfo::pusher(request, state, grant);
    let was_there = uploads.target.delete(hash, &order).await?;
    if let Some(found) = found.filter(|_| was_there) {
        tracing::info!(path = %found.info.path, "{} deleted a path", order.name);
    }
    Ok(if was_there { StatusCode::OK } else { StatusCode::NOT_FOUND })
}
