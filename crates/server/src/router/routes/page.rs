//! `/`: the page for people.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_SECURITY_POLICY, HeaderValue},
    web::Query,
};
use bytes::Bytes;
use rns_cache::{CacheError, RootSizes, RootSummary, RootedCache};
use rns_formats::{HashPart, StoreDir};

use crate::{
    caches::cache::Cache,
    life_cycle::state::ServerState,
    response::{Answer, Caching, Entity},
    router::{
        cache_address::CacheAddress,
        page::{
            OutlookAnswer, OutlookSection, Page, RetentionSection, RootsSection,
            content_security_policy,
        },
        routes::roots::shown,
    },
};

/// Roots on the page.
const MAX_ROOTS_ON_PAGE: usize = 100;

/// Paths that go, on one page.
const MAX_GOING: usize = 1000;

pub(crate) async fn get(
    request: &HttpRequest,
    state: &ServerState,
    cache: &Cache,
    shows_roots: bool,
) -> Answer {
    let found = if shows_roots { found_roots(cache).await } else { None };
    // A client that sees some paths only is told of no others.
    let sees_all = found.is_some() && cache.config.expose.names.is_empty();
    let stats = sees_all.then(|| state.caches.load().factory().stats().retention).flatten();
    // Before the first look there is nothing to tell.
    let stats = stats.filter(|stats| stats.last_ended.is_some());
    let collecting = cache.with_roots().and_then(|uploads| uploads.target.rooted());
    let collecting = collecting.filter(|roots| sees_all && roots.collects());
    let outlook = match collecting {
        Some(roots) => Some(OutlookRequest::of(request, cache, roots).await),
        None => None,
    };
    let store_dir = cache.store.store_dir();
    let retention = RetentionSection {
        stats: stats.as_ref(),
        outlook: outlook.as_ref().map(|outlook| outlook.section(store_dir)),
    };
    let address = CacheAddress::of(request, state, cache);
    let signer = cache.signer();
    let page = Page {
        url: &address.url,
        store_dir,
        priority: cache.config.priority,
        keys: &signer.public_keys(),
        keys_missing: !signer.problems().is_empty(),
        needs_token: cache.config.access.needs_token(),
        push_url: address.push_url.as_deref(),
        roots: found.as_ref().map(FoundRoots::section),
        retention: (stats.is_some() || outlook.is_some()).then_some(retention),
    };
    let mut answer = Entity::new("text/html; charset=utf-8", Caching::Never)
        .answer_bytes(request.headers(), Bytes::from(page.render()));
    answer
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(content_security_policy()));
    answer
}

/// The roots of a cache, with the space that each frees where that is known. `None`: they cannot be read.
struct FoundRoots(Option<(Vec<RootSummary>, Option<Arc<RootSizes>>)>);

impl FoundRoots {
    fn section(&self) -> RootsSection<'_> {
        match &self.0 {
            Some((roots, sizes)) => RootsSection {
                roots: Some(roots),
                sizes: sizes.as_deref(),
                has_more: roots.len() == MAX_ROOTS_ON_PAGE,
            },
            None => RootsSection { roots: None, sizes: None, has_more: false },
        }
    }
}

/// `None`: the cache has none.
async fn found_roots(cache: &Cache) -> Option<FoundRoots> {
    let roots = cache.with_roots()?.target.rooted()?;
    let found = async {
        let found = shown(cache, roots, roots.roots(None, MAX_ROOTS_ON_PAGE).await?).await?;
        Ok::<_, CacheError>((found, roots.root_sizes().await?))
    };
    Some(FoundRoots(found.await.ok()))
}

/// The question about retention in the query of a request, and its answer.
struct OutlookRequest {
    asked: String,
    answer: OutlookAnswer,
}

impl OutlookRequest {
    async fn of(request: &HttpRequest, cache: &Cache, roots: &dyn RootedCache) -> Self {
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
        let pairs = pairs.map(Query::into_inner).unwrap_or_default();
        let mut outlook = Self { asked: String::new(), answer: OutlookAnswer::Nothing };
        for (key, value) in pairs {
            let answer = match key.as_str() {
                "why" => {
                    outlook.asked = value.trim().to_owned();
                    why(&outlook.asked, cache.store.store_dir(), roots).await
                }
                "going" => dry_run(value.parse().unwrap_or(0), roots).await,
                _ => continue,
            };
            outlook.answer = answer.unwrap_or_else(|error| {
                tracing::error!("a question about retention cannot be answered: {error}");
                OutlookAnswer::Unavailable
            });
            break;
        }
        outlook
    }

    fn section<'a>(&'a self, store_dir: &'a StoreDir) -> OutlookSection<'a> {
        OutlookSection { store_dir, asked: &self.asked, answer: &self.answer }
    }
}

async fn why(
    asked: &str,
    store_dir: &StoreDir,
    roots: &dyn RootedCache,
) -> Result<OutlookAnswer, CacheError> {
    // A store path, a file below one, a base name, or a hash part.
    let below = asked.strip_prefix(store_dir.as_str()).unwrap_or(asked).trim_start_matches('/');
    let hash = below.split(['/', '-']).next().and_then(|hash| HashPart::parse(hash).ok());
    let Some(hash) = hash else { return Ok(OutlookAnswer::NoPath) };
    Ok(roots.why(&hash).await?.map_or(OutlookAnswer::Absent, OutlookAnswer::Why))
}

async fn dry_run(after: usize, roots: &dyn RootedCache) -> Result<OutlookAnswer, CacheError> {
    let Some(found) = roots.dry_run(after, MAX_GOING).await? else {
        return Ok(OutlookAnswer::TooLarge);
    };
    let end = after.saturating_add(MAX_GOING);
    let next = (end < found.count).then_some(end);
    Ok(OutlookAnswer::DryRun(found, next))
}
