//! `/`: the page for people.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_SECURITY_POLICY, HeaderValue},
};
use bytes::Bytes;
use rns_cache::{CacheError, RootSizes, RootSummary};

use crate::{
    caches::cache::Cache,
    life_cycle::state::State,
    response::{Answer, Caching, Entity},
    router::{
        cache_address::CacheAddress,
        page::{Page, RetentionSection, RootsSection, content_security_policy},
        routes::roots::shown,
    },
};

/// Roots on the page.
const MAX_ROOTS: usize = 100;

pub(crate) async fn get(
    request: &HttpRequest,
    state: &State,
    cache: &Cache,
    shows_roots: bool,
) -> Answer {
    let found = if shows_roots { found_roots(cache).await } else { None };
    // A client that sees some paths only is told of no others.
    let sees_all = found.is_some() && cache.config.expose.names.is_empty();
    let stats = sees_all.then(|| state.caches.load().factory().stats().retention).flatten();
    // Before the first look there is nothing to tell.
    let stats = stats.filter(|stats| stats.last_ended.is_some());
    let address = CacheAddress::of(request, state, cache);
    let signer = cache.signer();
    let page = Page {
        url: &address.url,
        store_dir: cache.store.store_dir(),
        priority: cache.config.priority,
        keys: &signer.public_keys(),
        keys_missing: !signer.problems().is_empty(),
        needs_token: cache.config.access.needs_token(),
        push_url: address.push_url.as_deref(),
        roots: found.as_ref().map(FoundRoots::section),
        retention: stats.as_ref().map(|stats| RetentionSection { stats }),
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
                has_more: roots.len() == MAX_ROOTS,
            },
            None => RootsSection { roots: None, sizes: None, has_more: false },
        }
    }
}

/// `None`: the cache has none.
async fn found_roots(cache: &Cache) -> Option<FoundRoots> {
    let roots = cache.with_roots()?.target.rooted()?;
    let found = async {
        let found = shown(cache, roots, roots.roots(None, MAX_ROOTS).await?).await?;
        Ok::<_, CacheError>((found, roots.root_sizes().await?))
    };
    Some(FoundRoots(found.await.ok()))
}
