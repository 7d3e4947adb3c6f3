//! `PUT` and `DELETE` of `/gcroots/<name>`: keeping paths, and letting go of them.

use actix_web::{HttpRequest, http::StatusCode};
use rns_cache::{CacheError, MissingPath, NewRoot, RootError, RootPath, RootedCache};
use rns_formats::{RootName, StorePath};
use serde_json::json;

use super::{
    narinfo::pusher,
    root_request::{RootRequestError, parameters, paths},
};
use crate::{
    auth::Grant,
    caches::{cache::Cache, uploads::Uploads},
    life_cycle::state::ServerState,
    response::{Answer, shortened},
    router::{
        root_view::{Form, SetLine, outage, set_json},
        routes::roots::shows,
    },
};

/// An order about a root of a cache.
pub(super) struct RootOrder<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) state: &'a ServerState,
    pub(super) cache: &'a Cache,
    pub(super) grant: &'a Grant,
    pub(super) uploads: &'a Uploads,
}

/// Why an order about a root is refused.
enum RootRefusal {
    /// It cannot be understood.
    Malformed(RootRequestError),
    /// The root keeps paths that the client may not see.
    Hidden,
    /// The client may not see this path.
    HiddenPath(StorePath),
    Root(RootError),
}

impl<T: Into<RootError>> From<T> for RootRefusal {
    fn from(error: T) -> Self {
        Self::Root(error.into())
    }
}

/// Sets a root.
pub(super) async fn put(order: &RootOrder<'_>, name: RootName, body: &[u8]) -> Answer {
    let form = Form::of(order.request.headers());
    let set = async {
        let roots = roots(order, &name).await?;
        let store_dir = order.cache.store.store_dir();
        let paths = paths(body, store_dir).map_err(RootRefusal::Malformed)?;
        may_see(order, &paths).await?;
        let (lifetime, label) =
            parameters(order.request.query_string()).map_err(RootRefusal::Malformed)?;
        let pusher = pusher(order.request, order.state, order.grant);
        let root = NewRoot { name: name.clone(), paths, lifetime, label };
        let set = roots.put_root(&root, &pusher).await?;
        tracing::info!("{} set the root {name}, revision {}", pusher.name, set.revision.revision);
        Ok((set, store_dir))
    };
    match set.await {
        Ok((set, store_dir)) => form.answer(
            StatusCode::OK,
            || format!("{name}  {}\n", SetLine(&set)),
            || set_json(&name, &set, store_dir).into(),
        ),
        Err(refusal) => refuse(form, &refusal),
    }
}

/// Deletes a root with all its revisions.
pub(super) async fn delete(order: &RootOrder<'_>, name: &RootName) -> Answer {
    let form = Form::of(order.request.headers());
    let deleted = async {
        let was_there = roots(order, name).await?.delete_root(name).await?;
        Ok(was_there)
    };
    match deleted.await {
        Ok(true) => {
            let pusher = pusher(order.request, order.state, order.grant);
            tracing::info!("{} deleted the root {name}", pusher.name);
            let text = || format!("{name}  deleted\n");
            form.answer(StatusCode::OK, text, || json!({ "name": name.as_str(), "deleted": true }))
        }
        Ok(false) => form.refusal(StatusCode::NOT_FOUND, &"there is no such root"),
        Err(refusal) => refuse(form, &refusal),
    }
}

/// The roots, of which the client may change this one.
async fn roots<'a>(
    order: &RootOrder<'a>,
    name: &RootName,
) -> Result<&'a dyn RootedCache, RootRefusal> {
    let roots = order.uploads.target.rooted().ok_or_else(|| CacheError::Unavailable {
        what: "this cache has no roots".to_owned(),
        remedy: "name a storage in storage.url",
    })?;
    let is_confined = !order.cache.config.expose.names.is_empty();
    if is_confined && !shows(order.cache, &roots.root(name).await?) {
        return Err(RootRefusal::Hidden);
    }
    Ok(roots)
}

/// A client that sees only some paths pins no others.
async fn may_see(order: &RootOrder<'_>, paths: &[RootPath]) -> Result<(), RootRefusal> {
    if order.cache.config.expose.names.is_empty() {
        return Ok(());
    }
    for path in paths {
        match path {
            RootPath::Path(path) if !order.cache.shows_stored(path) => {
                return Err(RootRefusal::HiddenPath(path.clone()));
            }
            RootPath::Path(_) => {}
            // A path that is hidden is as good as missing.
            RootPath::Hash(hash) => {
                let found = order.uploads.target.path_info(*hash).await?;
                if found.is_none_or(|found| !order.cache.shows_stored(&found.info.path)) {
                    let paths = vec![MissingPath { hash: *hash, path: None }];
                    return Err(RootError::MissingPaths { paths, count: 1 }.into());
                }
            }
        }
    }
    Ok(())
}

fn refuse(form: Form, refusal: &RootRefusal) -> Answer {
    match refusal {
        RootRefusal::Malformed(why) => form.refusal(StatusCode::BAD_REQUEST, why),
        RootRefusal::Hidden => form.refusal(
            StatusCode::FORBIDDEN,
            &"the root keeps paths that are not among the names of this token",
        ),
        RootRefusal::HiddenPath(path) => form.refusal(
            StatusCode::FORBIDDEN,
            &format!("{path} is not among the names of this token"),
        ),
        RootRefusal::Root(error @ RootError::Empty) => form.refusal(StatusCode::BAD_REQUEST, error),
        RootRefusal::Root(error @ RootError::MissingPaths { paths, count }) => form.answer(
            StatusCode::CONFLICT,
            || shortened(error.to_string()),
            || {
                let missing: Vec<_> = paths.iter().map(ToString::to_string).collect();
                let text = "the root needs paths that are not here: push them first, with `nix copy --refresh` where they \
                            were here before";
                json!({ "error": text, "missing": missing, "missing_count": count })
            },
        ),
        RootRefusal::Root(error @ RootError::Full) => {
            tracing::error!("a root was refused: the storage is full");
            form.refusal(StatusCode::INSUFFICIENT_STORAGE, error)
        }
        RootRefusal::Root(RootError::Cache(error)) => outage(error),
    }
}
