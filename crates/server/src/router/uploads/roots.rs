//! `PUT` and `DELETE` of `/gcroots/<name>`: keeping paths, and letting go of them.

use std::num::NonZeroU32;

use actix_web::{HttpRequest, http::StatusCode, web::Query};
use rns_cache::{CacheError, MissingPath, NewRoot, RootError, RootLifetime, RootPath, RootedCache};
use rns_formats::{HashPart, RootLabel, RootName, StoreDir, StorePath};
use serde_json::json;

use super::narinfo::pusher;
use crate::{
    auth::Grant,
    caches::{cache::Cache, uploads::Uploads},
    life_cycle::state::State,
    response::Answer,
    router::{
        root_view::{Form, Line, named_json, outage},
        routes::roots::shows,
    },
};

/// Paths that a root names.
const MAX_PATHS: usize = 10_000;

/// Revisions of a root that are kept.
const MAX_REVISIONS: u32 = 100;

/// The longest life of a root in days: a century.
const MAX_DAYS: u32 = 36_500;

/// The most that a client is told, in bytes.
const MAX_TEXT_BYTES: usize = 900;

/// An order about a root of a cache.
pub(super) struct Order<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) state: &'a State,
    pub(super) cache: &'a Cache,
    pub(super) grant: &'a Grant,
    pub(super) uploads: &'a Uploads,
}

/// Why an order about a root is refused.
enum Refusal {
    /// It cannot be understood.
    Malformed(String),
    /// The root keeps paths that the client may not see.
    Hidden,
    /// The client may not see this path.
    HiddenPath(StorePath),
    Root(RootError),
}

impl<T: Into<RootError>> From<T> for Refusal {
    fn from(error: T) -> Self {
        Self::Root(error.into())
    }
}

/// Sets a root.
pub(super) async fn put(order: &Order<'_>, name: RootName, body: &[u8]) -> Answer {
    let form = Form::of(order.request.headers());
    let set = async {
        let roots = roots(order, &name).await?;
        let store_dir = order.cache.store.store_dir();
        let paths = paths(body, store_dir).map_err(Refusal::Malformed)?;
        may_see(order, &paths).await?;
        let (lifetime, label) =
            parameters(order.request.query_string()).map_err(Refusal::Malformed)?;
        let pusher = pusher(order.request, order.state, order.grant);
        let root = NewRoot { name: name.clone(), paths, lifetime, label };
        let revision = roots.put_root(&root, &pusher).await?;
        tracing::info!("{} set the root {name}, revision {}", pusher.name, revision.revision);
        Ok((revision, store_dir))
    };
    match set.await {
        Ok((revision, store_dir)) => form.answer(
            StatusCode::OK,
            || format!("{name}  {}\n", Line(&revision)),
            || named_json(&name, &revision, store_dir).into(),
        ),
        Err(refusal) => refuse(form, &refusal),
    }
}

/// Deletes a root with all its revisions.
pub(super) async fn delete(order: &Order<'_>, name: &RootName) -> Answer {
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
async fn roots<'a>(order: &Order<'a>, name: &RootName) -> Result<&'a dyn RootedCache, Refusal> {
    let roots = order.uploads.target.rooted().ok_or_else(|| CacheError::Unavailable {
        what: "this cache has no roots".to_owned(),
        remedy: "name a storage in storage.url",
    })?;
    let is_confined = !order.cache.config.expose.names.is_empty();
    if is_confined && !shows(order.cache, &roots.root(name).await?) {
        return Err(Refusal::Hidden);
    }
    Ok(roots)
}

/// A client that sees only some paths pins no others.
async fn may_see(order: &Order<'_>, paths: &[RootPath]) -> Result<(), Refusal> {
    if order.cache.config.expose.names.is_empty() {
        return Ok(());
    }
    for path in paths {
        match path {
            RootPath::Path(path) if !order.cache.shows_stored(path) => {
                return Err(Refusal::HiddenPath(path.clone()));
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

fn refuse(form: Form, refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Malformed(why) => form.refusal(StatusCode::BAD_REQUEST, why),
        Refusal::Hidden => form.refusal(
            StatusCode::FORBIDDEN,
            &"the root keeps paths that are not among the names of this token",
        ),
        Refusal::HiddenPath(path) => form.refusal(
            StatusCode::FORBIDDEN,
            &format!("{path} is not among the names of this token"),
        ),
        Refusal::Root(error @ RootError::Empty) => form.refusal(StatusCode::BAD_REQUEST, error),
        Refusal::Root(error @ RootError::MissingPaths { paths, count }) => form.answer(
            StatusCode::CONFLICT,
            || shortened(error.to_string()),
            || {
                let missing: Vec<_> = paths.iter().map(ToString::to_string).collect();
                let text = "the root needs paths that are not here";
                json!({ "error": text, "missing": missing, "missing_count": count })
            },
        ),
        Refusal::Root(error @ RootError::Full) => {
            tracing::error!("a root was refused: the storage is full");
            form.refusal(StatusCode::INSUFFICIENT_STORAGE, error)
        }
        Refusal::Root(RootError::Cache(error)) => outage(error),
    }
}

/// The first hundreds of bytes of a text, as a line.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text.push('\n');
    text
}

/// The paths in a body: store paths or hash parts, one a line.
fn paths(body: &[u8], store_dir: &StoreDir) -> Result<Vec<RootPath>, String> {
    let text = str::from_utf8(body).map_err(|_| "the body is no text".to_owned())?;
    let mut paths = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let path = match HashPart::parse(line) {
            Ok(hash) => Ok(RootPath::Hash(hash)),
            Err(_) if line.starts_with('/') => store_dir.parse_path(line).map(RootPath::Path),
            Err(_) => StorePath::parse(line).map(RootPath::Path),
        };
        paths.push(path.map_err(|error| format!("line {}: {error}", number + 1))?);
        if paths.len() > MAX_PATHS {
            return Err(format!("a root names at most {MAX_PATHS} paths"));
        }
    }
    Ok(paths)
}

/// The terms of the root in the query. An unknown word is refused: it could be meant to end the root.
fn parameters(query: &str) -> Result<(RootLifetime, Option<RootLabel>), String> {
    let pairs = Query::<Vec<(String, String)>>::from_query(query);
    let Query(pairs) = pairs.map_err(|_| "the parameters cannot be read".to_owned())?;
    let (mut lifetime, mut label) = (RootLifetime::default(), None);
    for (key, value) in pairs {
        match key.as_str() {
            "days" => lifetime.days = Some(number(&key, &value, MAX_DAYS)?),
            "revisions" => lifetime.revisions = Some(number(&key, &value, MAX_REVISIONS)?),
            "label" => label = Some(RootLabel::parse(&value).map_err(|error| error.to_string())?),
            _ => return Err("the parameters are days, revisions and label".to_owned()),
        }
    }
    Ok((lifetime, label))
}

fn number(key: &str, value: &str, most: u32) -> Result<NonZeroU32, String> {
    let number = value.parse().ok().filter(|number: &NonZeroU32| number.get() <= most);
    number.ok_or_else(|| format!("{key} is a number from 1 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_path_or_hash_part_on_each_line() {
        let hash = "4hgnzv75gip1q649b6g1xql7g25p304s";
        let body = format!("# all of it\n\n/nix/store/{hash}-a\r\n  {hash}\n{hash}-b");
        let paths = paths(body.as_bytes(), &StoreDir::default()).unwrap();
        let path = |name| RootPath::Path(StorePath::parse(&format!("{hash}-{name}")).unwrap());
        assert_eq!(paths, [path("a"), RootPath::Hash(HashPart::parse(hash).unwrap()), path("b")]);
    }

    #[test]
    fn a_body_that_is_no_list_is_refused_with_its_line() {
        for body in ["x\n/nix/store/y", "\n/etc/passwd", "\n/nix/store/x/bin", "\n../x"] {
            let error = paths(body.as_bytes(), &StoreDir::default()).unwrap_err();
            assert!(error.starts_with("line "), "{error}");
        }
        assert!(paths(&[0xff], &StoreDir::default()).is_err());
        let many = "4hgnzv75gip1q649b6g1xql7g25p304s\n".repeat(MAX_PATHS + 1);
        assert!(paths(many.as_bytes(), &StoreDir::default()).is_err());
    }

    #[test]
    fn a_parameter_that_would_not_end_a_root_is_refused() {
        let (lifetime, label) = parameters("days=7&revisions=5&label=a%20b").unwrap();
        assert_eq!((lifetime.days, lifetime.revisions()), (NonZeroU32::new(7), 5));
        assert_eq!(label.unwrap().as_str(), "a b");
        assert_eq!(parameters("").unwrap().0, RootLifetime::default());
        for query in ["day=7", "days=0", "days=x", "days=-1", "revisions=101", "label=", "days"] {
            assert!(parameters(query).is_err(), "{query}");
        }
    }
}
