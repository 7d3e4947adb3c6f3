//! `/`: the page for people.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_SECURITY_POLICY, FORWARDED, HOST, HeaderValue},
};
use bytes::Bytes;
use rns_cache::{CacheError, FreedByRoot, RootSummary};
use rns_formats::RootName;

use crate::{
    auth::{Permission, config::AccessConfig},
    caches::cache::{Cache, PUSH_PATH},
    connection::request_parts::RequestParts as _,
    life_cycle::state::State,
    response::{Answer, Caching, Entity},
    router::{
        page::{Page, RootsSection, content_security_policy, visited_url},
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
    // Scheme and host as the visitor's browser or a proxy states them: they only show up on the page.
    let connection = request.connection_info();
    let public_url = state.config.public_url.as_deref().filter(|_| !cache.has_host);
    let is_secure = connection.scheme() == "https" || request.is_tls();
    let url = visited_url(public_url, is_secure, is_host_told(request).then(|| connection.host()));
    let url = format!("{url}{}", cache.path);
    let push_url = match (&cache.push, &cache.uploads) {
        (_, Some(_)) => Some(url.clone()),
        (Some(_), None) => Some(format!("{url}{PUSH_PATH}")),
        (None, None) => None,
    };
    let signer = cache.signer();
    let page = Page {
        url: &url,
        store_dir: cache.store.store_dir(),
        priority: cache.config.priority,
        keys: &signer.public_keys(),
        keys_missing: !signer.problems().is_empty(),
        needs_token: needs_token(&cache.config.access),
        push_url: push_url.as_deref(),
        roots: found.as_ref().map(FoundRoots::section),
    };
    let mut answer = Entity::new("text/html; charset=utf-8", Caching::Never)
        .answer_bytes(request.headers(), Bytes::from(page.render()));
    answer
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(content_security_policy()));
    answer
}

/// The roots of a cache, with what each frees. `None`: they cannot be read.
struct FoundRoots(Option<(Vec<RootSummary>, BTreeMap<RootName, FreedByRoot>)>);

static NO_SIZES: BTreeMap<RootName, FreedByRoot> = BTreeMap::new();

impl FoundRoots {
    fn section(&self) -> RootsSection<'_> {
        match &self.0 {
            Some((roots, sizes)) => {
                RootsSection { roots: Some(roots), sizes, has_more: roots.len() == MAX_ROOTS }
            }
            None => RootsSection { roots: None, sizes: &NO_SIZES, has_more: false },
        }
    }
}

/// `None`: the cache has none.
async fn found_roots(cache: &Cache) -> Option<FoundRoots> {
    let roots = cache.with_roots()?.target.rooted()?;
    let found = async {
        let found = shown(cache, roots, roots.roots(None, MAX_ROOTS).await?).await?;
        Ok::<_, CacheError>((found, roots.freed_by_roots().await?))
    };
    Some(FoundRoots(found.await.ok()))
}

/// Whether reading needs a token, not only a certificate.
fn needs_token(access: &AccessConfig) -> bool {
    let has_tokens = access.tokens.is_some() || !access.oidc.is_empty();
    has_tokens && !access.anonymous.has(Permission::Read)
}

/// Whether the client or a proxy says which host was asked; the framework would make something up.
fn is_host_told(request: &HttpRequest) -> bool {
    let headers = request.headers();
    request.uri().host().is_some()
        || headers.contains_key(HOST)
        || headers.contains_key(FORWARDED)
        || headers.contains_key("x-forwarded-host")
}
