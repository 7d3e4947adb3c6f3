//! `PUT` of listings, logs, realisations and debug information.

use actix_web::{HttpRequest, http::StatusCode, web::Payload};
use bytes::Bytes;
use rns_cache::{DebugInfo, PublishError, WritableCache};
use rns_formats::{
    BuildId, BuildTraceEntry, DrvOutputId, HashPart, LogName, Realisation, StorePath, StorePathName,
};
use serde::Deserialize;

use super::body;
use crate::auth::Grant;

/// The largest listing, in bytes: a tree of some 500,000 files.
const MAX_LISTING_BYTES: u64 = 64 << 20;

/// The largest log, in bytes.
const MAX_LOG_BYTES: u64 = 64 << 20;

/// The largest of the other documents, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 1 << 20;

type Taken = Result<StatusCode, PublishError>;

fn malformed(object: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> PublishError {
    PublishError::Malformed { object: object.to_string(), why: why.to_string() }
}

fn text(object: &dyn std::fmt::Display, bytes: &Bytes) -> Result<String, PublishError> {
    String::from_utf8(bytes.to_vec()).map_err(|error| malformed(object, &error))
}

/// Tokens that may push only some names may write nothing about others.
fn allowed(grant: &Grant, name: &str) -> Result<(), PublishError> {
    if grant.may_name(name) {
        return Ok(());
    }
    Err(PublishError::NotAllowed { object: name.to_owned() })
}

pub(super) async fn listing(
    request: &HttpRequest,
    target: &dyn WritableCache,
    hash: HashPart,
    payload: Payload,
) -> Taken {
    let json = body::small(request, target, payload, MAX_LISTING_BYTES).await?;
    target.put_listing(hash, json).await.map(|()| StatusCode::CREATED)
}

pub(super) async fn log(
    request: &HttpRequest,
    grant: &Grant,
    target: &dyn WritableCache,
    name: &LogName,
    payload: Payload,
) -> Taken {
    for derivation in name.candidates() {
        allowed(grant, derivation.name())?;
    }
    let text = body::small(request, target, payload, MAX_LOG_BYTES).await?;
    target.put_log(name, text).await.map(|()| StatusCode::CREATED)
}

pub(super) async fn realisation(
    request: &HttpRequest,
    grant: &Grant,
    target: &dyn WritableCache,
    id: &DrvOutputId,
    payload: Payload,
) -> Taken {
    let json = body::small(request, target, payload, MAX_DOCUMENT_BYTES).await?;
    let realisation =
        Realisation::parse(&text(id, &json)?).map_err(|error| malformed(id, &error))?;
    if realisation.id != *id {
        return Err(malformed(id, &"it has another id"));
    }
    allowed(grant, realisation.out_path.name())?;
    target.put_realisation(&realisation).await.map(|()| StatusCode::CREATED)
}

pub(super) async fn build_trace(
    request: &HttpRequest,
    grant: &Grant,
    target: &dyn WritableCache,
    (drv, output): (&StorePath, &str),
    payload: Payload,
) -> Taken {
    let json = body::small(request, target, payload, MAX_DOCUMENT_BYTES).await?;
    let name = StorePathName::parse(output).map_err(|error| malformed(drv, &error))?;
    let entry = BuildTraceEntry::parse(drv.clone(), name, &text(drv, &json)?)
        .map_err(|error| malformed(drv, &error))?;
    allowed(grant, entry.out_path.name())?;
    target.put_build_trace(&entry).await.map(|()| StatusCode::CREATED)
}

pub(super) async fn debug_info(
    request: &HttpRequest,
    target: &dyn WritableCache,
    id: &BuildId,
    payload: Payload,
) -> Taken {
    /// What Nix's `index-debug-info` writes.
    #[derive(Deserialize)]
    struct Written {
        archive: String,
        member: String,
    }
    let json = body::small(request, target, payload, MAX_DOCUMENT_BYTES).await?;
    let Written { archive, member } =
        serde_json::from_slice(&json).map_err(|error| malformed(id, &error))?;
    let info = DebugInfo { archive, member };
    target.put_debug_info(id, &info).await.map(|()| StatusCode::CREATED)
}
