//! `PUT`: what clients upload.

mod body;
mod documents;
mod nar;
mod narinfo;

use actix_web::{HttpRequest, http::StatusCode, web::Payload};
use rns_formats::url::Resource;

use crate::{
    auth::Grant,
    caches::uploads::Uploads,
    life_cycle::state::State,
    response::{self, Answer, publish_error::refuse_upload},
};

/// The largest `nix-cache-info` that a client sends, in bytes.
const MAX_CACHE_INFO_BYTES: u64 = 64 << 10;

/// Takes what a client uploads.
pub(crate) async fn put(
    request: &HttpRequest,
    state: &State,
    grant: &Grant,
    uploads: &Uploads,
    resource: Resource,
    payload: Payload,
) -> Answer {
    let target = &*uploads.target;
    let taken = match resource {
        // Clients whose first question was answered with 404 send their own; ours stays.
        Resource::CacheInfo => {
            body::small(request, target, payload, MAX_CACHE_INFO_BYTES).await.map(|_| StatusCode::OK)
        }
        Resource::Nar(name) => nar::put(request, state, target, &name, payload).await,
        Resource::NarInfo { hash, .. } => {
            narinfo::put(request, state, grant, uploads, hash, payload).await
        }
        Resource::Listing(hash) => documents::listing(request, target, hash, payload).await,
        Resource::Log(name) => documents::log(request, grant, target, &name, payload).await,
        Resource::Realisation(id) => {
            documents::realisation(request, grant, target, &id, payload).await
        }
        Resource::BuildTrace { drv, output } => {
            documents::build_trace(request, grant, target, (&drv, &output), payload).await
        }
        Resource::DebugInfo(id) => documents::debug_info(request, target, &id, payload).await,
        Resource::Root
        | Resource::Serve { .. }
        | Resource::PublicKeys
        | Resource::Version
        | Resource::Healthz
        | Resource::Readyz
        | Resource::Metrics => return response::method_not_allowed(),
    };
    match taken {
        // Never 202: clients take it for a failure.
        Ok(status) => response::plain(status, ""),
        Err(error) => refuse_upload(&error),
    }
}
