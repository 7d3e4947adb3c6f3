//! `/gcroots` and `/gcroots/<name>`: the roots that keep paths.

use actix_web::{HttpRequest, http::StatusCode, web::Query};
use rns_cache::{CacheError, RootSummary, RootedCache};
use rns_formats::RootName;

use crate::{
    caches::cache::Cache,
    response::{self, Answer},
    router::root_view::{Form, RootList, outage, root_json, root_text},
};

/// Roots in an answer.
const MAX_LISTED_ROOTS: usize = 1000;

/// Pages of roots that are read for one answer to a client that is shown some of them.
const MAX_PAGES: usize = 100;

/// The terms of a list.
struct ListTerms {
    after: Option<RootName>,
    limit: usize,
    sizes: bool,
}

impl ListTerms {
    /// `None` when a parameter makes no sense.
    fn of(request: &HttpRequest) -> Option<Self> {
        let mut wanted = Self { after: None, limit: MAX_LISTED_ROOTS, sizes: false };
        let Query(pairs) =
            Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
        for (key, value) in pairs {
            match key.as_str() {
                "after" => wanted.after = Some(RootName::parse(&value).ok()?),
                "limit" => {
                    let limit: usize = value.parse().ok().filter(|limit| *limit > 0)?;
                    wanted.limit = limit.min(MAX_LISTED_ROOTS);
                }
                "sizes" => wanted.sizes = value != "0",
                _ => {}
            }
        }
        Some(wanted)
    }
}

pub(crate) async fn list(request: &HttpRequest, cache: &Cache) -> Answer {
    let form = Form::of(request.headers());
    let Some(roots) = cache.with_roots().and_then(|uploads| uploads.target.rooted()) else {
        return response::not_found();
    };
    let Some(wanted) = ListTerms::of(request) else {
        let error = "limit is a number, after the name of a root";
        return form.refusal(StatusCode::BAD_REQUEST, &error);
    };
    let listed = async {
        let (shown, next) = page(cache, roots, &wanted).await?;
        let sizes = if wanted.sizes { roots.root_sizes().await? } else { None };
        Ok::<_, CacheError>((shown, next, sizes))
    };
    match listed.await {
        Ok((shown, next, sizes)) => {
            let list = RootList {
                roots: &shown,
                wants_sizes: wanted.sizes,
                sizes: sizes.as_deref(),
                next: next.as_ref(),
                store_dir: cache.store.store_dir(),
            };
            form.answer(StatusCode::OK, || list.text(), || list.json())
        }
        Err(error) => outage(&error),
    }
}

/// The first roots that are shown to the client, and the last name of them where there may be more. No other name is told.
async fn page(
    cache: &Cache,
    roots: &dyn RootedCache,
    wanted: &ListTerms,
) -> Result<(Vec<RootSummary>, Option<RootName>), CacheError> {
    let is_whole = cache.config.expose.names.is_empty();
    let page_size = if is_whole { wanted.limit } else { MAX_LISTED_ROOTS };
    let (mut page, mut after) = (Vec::new(), wanted.after.clone());
    for _ in 0..MAX_PAGES {
        let found = roots.roots(after.as_ref(), page_size).await?;
        let is_last = found.len() < page_size;
        after = found.last().map(|last| last.name.clone());
        page.extend(shown(cache, roots, found).await?);
        let is_full = page.len() > wanted.limit || (page.len() == wanted.limit && !is_last);
        if is_last && !is_full {
            return Ok((page, None));
        }
        if is_full {
            break;
        }
    }
    page.truncate(wanted.limit);
    let next = page.last().map(|last| last.name.clone());
    Ok((page, next))
}

/// Those of the roots whose paths are all shown to the client.
pub(crate) async fn shown(
    cache: &Cache,
    roots: &dyn RootedCache,
    found: Vec<RootSummary>,
) -> Result<Vec<RootSummary>, CacheError> {
    if cache.config.expose.names.is_empty() {
        return Ok(found);
    }
    let mut shown = Vec::new();
    for root in found {
        let first = root.newest.paths.iter().all(|path| cache.shows_stored(path));
        // The list has only the first paths of the newest revision.
        if first && shows(cache, &roots.root(&root.name).await?) {
            shown.push(root);
        }
    }
    Ok(shown)
}

/// Whether every path of these revisions is shown to the client.
pub(crate) fn shows(cache: &Cache, revisions: &[rns_cache::RootRevision]) -> bool {
    let mut paths = revisions.iter().flat_map(|revision| &revision.paths);
    paths.all(|path| cache.shows_stored(path))
}

pub(crate) async fn get(request: &HttpRequest, cache: &Cache, name: &RootName) -> Answer {
    let form = Form::of(request.headers());
    let Some(roots) = cache.with_roots().and_then(|uploads| uploads.target.rooted()) else {
        return response::not_found();
    };
    let store_dir = cache.store.store_dir();
    match roots.root(name).await {
        Ok(revisions) if revisions.is_empty() || !shows(cache, &revisions) => {
            form.refusal(StatusCode::NOT_FOUND, &"there is no such root")
        }
        Ok(revisions) => form.answer(
            StatusCode::OK,
            || root_text(&revisions, store_dir),
            || root_json(name, &revisions, store_dir),
        ),
        Err(error) => outage(&error),
    }
}
