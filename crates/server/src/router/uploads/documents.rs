//! `PUT` of listings, logs, realisations and debug information.

use actix_web::http::StatusCode;
use bytes::Bytes;
use rns_cache::{DebugInfo, PublishError, WritableCache};
use rns_formats::{
    BuildId, BuildTraceEntry, DrvOutputId, HashPart, LogName, PublicKey, Realisation, StorePath,
    StorePathName,
};
use serde_json::Value;

use super::body::IncomingBody;
use crate::{auth::Grant, caches::uploads::Uploads};

type DocumentResult = Result<StatusCode, PublishError>;

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

/// Listings say no name, and clients send them before the narinfo that does. From clients that may push only some names, one
/// is acknowledged and dropped unless its path is there and has such a name.
pub(super) async fn listing(
    grant: &Grant,
    target: &dyn WritableCache,
    hash: HashPart,
    incoming: IncomingBody<'_>,
) -> DocumentResult {
    let json = incoming.small(target).await?;
    if grant.confined_to.is_some() {
        let found = target.path_info(hash).await?;
        if !found.is_some_and(|found| grant.may_name(found.info.path.name())) {
            return Ok(StatusCode::OK);
        }
    }
    target.put_listing(hash, json).await.map(|()| StatusCode::CREATED)
}

pub(super) async fn log(
    grant: &Grant,
    target: &dyn WritableCache,
    name: &LogName,
    incoming: IncomingBody<'_>,
) -> DocumentResult {
    for derivation in name.candidates() {
        allowed(grant, derivation.name())?;
    }
    let built = incoming.built_path()?.filter(|path| grant.may_name(path.name()));
    let built = built.map(|path| path.hash_part());
    let text = incoming.small(target).await?;
    target.put_log(name, text, built.as_ref()).await.map(|()| StatusCode::CREATED)
}

/// The derivation of a realisation is a hash, and says no name: from clients that may push only some names, one is acknowledged
/// and dropped, unless a key that is required vouches for it.
pub(super) async fn realisation(
    (grant, known): (&Grant, &[PublicKey]),
    uploads: &Uploads,
    id: &DrvOutputId,
    incoming: IncomingBody<'_>,
) -> DocumentResult {
    let target = &*uploads.target;
    let json = incoming.small(target).await?;
    let mut realisation =
        Realisation::parse(&text(id, &json)?).map_err(|error| malformed(id, &error))?;
    if realisation.id != *id {
        return Err(malformed(id, &"it has another id"));
    }
    allowed(grant, realisation.out_path.name())?;
    let fingerprint = realisation.fingerprint();
    let signatures = &mut realisation.signatures;
    let is_signed = uploads.admit_output(&id, signatures, &fingerprint, known)?;
    if grant.confined_to.is_some() && !is_signed {
        return Ok(StatusCode::OK);
    }
    target.put_realisation(&realisation).await.map(|()| StatusCode::CREATED)
}

pub(super) async fn build_trace(
    (grant, known): (&Grant, &[PublicKey]),
    uploads: &Uploads,
    (drv, output): (&StorePath, &str),
    incoming: IncomingBody<'_>,
) -> DocumentResult {
    allowed(grant, drv.name())?;
    let target = &*uploads.target;
    let json = incoming.small(target).await?;
    let name = StorePathName::parse(output).map_err(|error| malformed(drv, &error))?;
    let mut entry = BuildTraceEntry::parse(drv.clone(), name, &text(drv, &json)?)
        .map_err(|error| malformed(drv, &error))?;
    allowed(grant, entry.out_path.name())?;
    let fingerprint = entry.fingerprint();
    uploads.admit_output(drv, &mut entry.signatures, &fingerprint, known)?;
    target.put_build_trace(&entry).await.map(|()| StatusCode::CREATED)
}

/// Debug information says no name at all: from clients that may push only some, it is acknowledged and dropped.
pub(super) async fn debug_info(
    grant: &Grant,
    target: &dyn WritableCache,
    id: &BuildId,
    incoming: IncomingBody<'_>,
) -> DocumentResult {
    let json = incoming.small(target).await?;
    // Nix writes them with `index-debug-info`.
    let written: Value = serde_json::from_slice(&json).map_err(|error| malformed(id, &error))?;
    let text = |name: &str| {
        let text = written.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| malformed(id, &format!("it has no `{name}`")))
    };
    let info = DebugInfo { archive: text("archive")?, member: text("member")? };
    if grant.confined_to.is_some() {
        return Ok(StatusCode::OK);
    }
    target.put_debug_info(id, &info).await.map(|()| StatusCode::CREATED)
}
