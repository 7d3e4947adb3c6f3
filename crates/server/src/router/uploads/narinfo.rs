//! `PUT /<hash part>.narinfo`: the last object of a path, which makes it visible.

use actix_web::{HttpRequest, http::StatusCode, web::Payload};
use rns_cache::{PublishError, Published, Pusher};
use rns_formats::{HashPart, NarInfo};

use super::body;
use crate::{
    auth::Grant,
    caches::uploads::Uploads,
    life_cycle::state::State,
};

/// The largest narinfo, in bytes: some 20,000 references.
const MAX_NARINFO_BYTES: u64 = 2 << 20;

pub(super) async fn put(
    request: &HttpRequest,
    state: &State,
    grant: &Grant,
    uploads: &Uploads,
    hash: HashPart,
    payload: Payload,
) -> Result<StatusCode, PublishError> {
    let target = &*uploads.target;
    let text = body::small(request, target, payload, MAX_NARINFO_BYTES).await?;
    let malformed = |why: String| PublishError::Malformed { object: format!("{hash}.narinfo"), why };
    let text = str::from_utf8(&text).map_err(|error| malformed(error.to_string()))?;
    let store_dir = target.store_dir();
    let narinfo = NarInfo::parse(text, store_dir).map_err(|error| malformed(error.to_string()))?;
    if narinfo.store_path.hash_part() != hash {
        return Err(malformed(format!("it is about {}", narinfo.store_path)));
    }
    if !grant.may_name(narinfo.store_path.name()) {
        return Err(PublishError::NotAllowed { object: narinfo.store_path.to_string() });
    }
    let narinfo = uploads.policy.admit(narinfo, store_dir, &grant.view.signer())?;
    let client = state.failure_policy.client(request);
    let pusher = Pusher {
        name: grant.holder.as_ref().map_or("anonymous", |holder| &holder.name).to_owned(),
        address: client.map(|address| address.to_string()),
    };
    let published = target.publish(&narinfo, &pusher).await?;
    if published == Published::Kept {
        tracing::info!(
            path = %narinfo.store_path,
            "{} pushed another build of a path that is published: the first one stays",
            pusher.name
        );
    }
    Ok(if published == Published::New { StatusCode::CREATED } else { StatusCode::OK })
}
