//! The named caches.
//!
//! Each has its own keys, priority, tokens and choice of paths. A request is for the cache whose host name or path it
//! names, otherwise for the default one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use actix_web::http::header::{self, HeaderValue};
use bytes::Bytes;
use rns_cache::{BinaryCache, CacheFactory, Pattern};
use rns_formats::CacheInfo;

use crate::{
    auth::{
        Access, denied,
        tokens::{TokenFileError, Tokens},
    },
    caches::{
        outage::Outage,
        scoped::ScopedCaches,
        signing::{SharedSigner, Signer, share},
    },
    config::{CacheConfig, CachesConfig, NamedCache},
    router::request_parts::RequestParts,
};

/// Distinguishes the views that were ever there, so that nothing that was rendered for one is sent for another.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// One cache, as it is answered for.
pub(crate) struct Cache {
    /// Its name in the configuration; the default one has none.
    pub(crate) name: Option<Arc<str>>,
    /// Distinguishes what was rendered for it.
    pub(crate) id: u32,
    /// The backends, as far as they are shown.
    pub(crate) store: Arc<dyn BinaryCache>,
    /// Whether it is known by a host name of its own.
    pub(crate) has_host: bool,
    /// The path it is under: empty, or with a slash at the beginning and none at the end.
    pub(crate) path: String,
    /// The body of `/nix-cache-info`.
    pub(crate) cache_info: Bytes,
    /// Who may do what.
    pub(crate) access: Arc<Access>,
    /// The header `WWW-Authenticate`.
    pub(crate) challenge: HeaderValue,
    /// How it was configured.
    pub(crate) config: CacheConfig,
    /// Narinfos that cannot be answered.
    pub(crate) outage: Outage,
    /// Tokens that cannot be checked.
    pub(crate) token_outage: Outage,
    signer: Arc<SharedSigner>,
    /// Whether the keys could not be used when they were last loaded.
    keys_refused: AtomicBool,
    restricted: ScopedCaches,
    factory: Arc<dyn CacheFactory>,
}

impl Cache {
    fn new(
        factory: &Arc<dyn CacheFactory>,
        named: Option<&NamedCache>,
        config: &CacheConfig,
    ) -> Self {
        let name = named.map(|named| named.name.as_str());
        let store = factory.cache(name, &config.expose);
        let signer = Signer::load(&config.signing);
        let cache_info = CacheInfo {
            store_dir: store.store_dir().clone(),
            want_mass_query: config.want_mass_query,
            priority: config.priority,
            unknown: Vec::new(),
        };
        let view = Self {
            name: name.map(Arc::from),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            store,
            has_host: named.is_some_and(|named| !named.hosts.is_empty()),
            path: named.and_then(|named| named.path.clone()).unwrap_or_default(),
            cache_info: Bytes::from(cache_info.to_string()),
            access: Arc::new(Access::new(&config.access)),
            challenge: denied::challenge(name),
            config: config.clone(),
            outage: Outage::default(),
            token_outage: Outage::default(),
            keys_refused: (!signer.problems().is_empty()).into(),
            signer: Arc::new(share(signer)),
            restricted: ScopedCaches::default(),
            factory: Arc::clone(factory),
        };
        view.access.with_tokens(|tokens| view.prepare(tokens));
        view
    }

    /// The same cache for the holders of a token that shows only paths with such names, and what they refer to.
    fn restricted(&self, paths: &[Pattern]) -> Self {
        let policy = self.config.expose.restricted_to(paths.to_vec());
        Self {
            name: self.name.clone(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            store: self.factory.cache(self.name.as_deref(), &policy),
            has_host: self.has_host,
            path: self.path.clone(),
            cache_info: self.cache_info.clone(),
            access: Arc::clone(&self.access),
            challenge: self.challenge.clone(),
            config: CacheConfig { expose: policy, ..self.config.clone() },
            outage: Outage::default(),
            token_outage: Outage::default(),
            signer: Arc::clone(&self.signer),
            keys_refused: false.into(),
            restricted: ScopedCaches::default(),
            factory: Arc::clone(&self.factory),
        }
    }

    /// What somebody sees who is confined to these paths. `None`: no token confines anybody so.
    pub(crate) fn scoped_to(&self, paths: &[Pattern]) -> Option<Arc<Self>> {
        self.restricted.get(paths)
    }

    /// Reads the file of tokens again. Downloads that run are not touched.
    ///
    /// # Errors
    /// What is wrong with it; the tokens stay as they were.
    pub(crate) fn reload_tokens(&self) -> Result<usize, TokenFileError> {
        self.access.reload_tokens(|tokens| self.prepare(tokens))
    }

    /// Makes what the holders of tokens will see, before they are let in.
    fn prepare(&self, tokens: &Tokens) {
        self.restricted.keep(tokens.paths(), |paths| self.restricted(paths));
    }

    /// The keys in use.
    #[must_use]
    pub(crate) fn signer(&self) -> arc_swap::Guard<Arc<Signer>> {
        self.signer.load()
    }

    /// What begins a line of the log that is about this cache.
    pub(crate) fn label(&self) -> String {
        self.name.as_deref().map(|name| format!("cache {name}: ")).unwrap_or_default()
    }

    /// What keeps keys and the file of tokens from being used, for the operator.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.signer().problems().iter().cloned().chain(self.access.problems()).collect()
    }

    /// Whether the keys could not be used when they were last loaded: older ones are in use, or none.
    pub(crate) fn are_keys_refused(&self) -> bool {
        self.keys_refused.load(Ordering::Relaxed)
    }

    /// Loads the keys anew. Downloads that run are not touched.
    ///
    /// # Errors
    /// The problems of the new keys; the old ones stay in use, unless these had problems as well.
    pub(crate) fn reload_keys(&self) -> Result<(), Vec<String>> {
        let new = Signer::load(&self.config.signing);
        let problems = new.problems().to_vec();
        self.keys_refused.store(!problems.is_empty(), Ordering::Relaxed);
        if problems.is_empty() || !self.signer().problems().is_empty() {
            self.signer.store(Arc::new(new));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// All caches.
pub(crate) struct CacheRegistry {
    default: Arc<Cache>,
    named: Vec<(NamedCache, Arc<Cache>)>,
}

impl CacheRegistry {
    /// Loads the keys and tokens of all caches. What is wrong with them is a problem of the view, not an error.
    pub(crate) fn new(factory: &Arc<dyn CacheFactory>, caches: &CachesConfig) -> Self {
        let named = caches.named.iter().map(|named| {
            let view = Cache::new(factory, Some(named), &named.cache);
            (named.clone(), Arc::new(view))
        });
        let mut named: Vec<_> = named.collect();
        // The most particular first: a path of a host, then a host, then the longest path.
        named.sort_by_key(|(cache, _)| {
            let path = cache.path.as_ref().map_or(0, String::len);
            std::cmp::Reverse((!cache.hosts.is_empty(), path))
        });
        Self { default: Arc::new(Cache::new(factory, None, &caches.default)), named }
    }

    /// The cache that is meant where no other is.
    pub(crate) const fn default_cache(&self) -> &Arc<Cache> {
        &self.default
    }

    /// Every view.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Cache>> {
        std::iter::once(&self.default).chain(self.named.iter().map(|(_, view)| view))
    }

    /// The backends as each of them shows them, and as the holders of tokens see it.
    pub(crate) fn stores(&self) -> impl Iterator<Item = Arc<dyn BinaryCache>> {
        self.all().flat_map(|view| {
            let restricted = view.restricted.all();
            let stores = restricted.iter().map(|view| Arc::clone(&view.store)).collect::<Vec<_>>();
            std::iter::once(Arc::clone(&view.store)).chain(stores)
        })
    }

    /// The cache that a request is for, and what it asks of it.
    pub(crate) fn of<'a>(&self, request: &'a impl RequestParts) -> (&Arc<Cache>, &'a str) {
        self.find(request.head().uri.path(), || host(request))
    }

    /// The cache that a request with this path is for, and the path inside it. `host` is what it is sent to, in the
    /// form of [`host_name`].
    pub(crate) fn find<'a>(
        &self,
        path: &'a str,
        host: impl FnOnce() -> Option<String>,
    ) -> (&Arc<Cache>, &'a str) {
        if self.named.is_empty() {
            return (&self.default, path);
        }
        let host = host();
        for (cache, view) in &self.named {
            if !cache.hosts.is_empty()
                && !cache.hosts.iter().any(|known| host.as_deref() == Some(known))
            {
                continue;
            }
            match &cache.path {
                None => return (view, path),
                Some(prefix) => {
                    if let Some(rest) = below(path, prefix) {
                        return (view, rest);
                    }
                }
            }
        }
        (&self.default, path)
    }
}

/// What is left of a path below a prefix.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.trim_start_matches('/');
    let rest = path.trim_start_matches('/').strip_prefix(prefix)?;
    if rest.is_empty() { Some("/") } else { rest.starts_with('/').then_some(rest) }
}

/// The host name that a request is sent to, without the port. What a proxy says beside `Host` is not looked at.
fn host(request: &impl RequestParts) -> Option<String> {
    let head = request.head();
    match head.uri.host() {
        Some(host) => Some(normal(host)),
        None => host_name(head.headers().get(header::HOST)?.to_str().ok()?),
    }
}

/// The host name in a header `Host`, as it is compared.
pub(crate) fn host_name(header: &str) -> Option<String> {
    without_port(header).map(normal)
}

fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn without_port(host: &str) -> Option<&str> {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(name),
        _ => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_does() {
        assert_eq!(below("/team-a/nix-cache-info", "/team-a"), Some("/nix-cache-info"));
        assert_eq!(below("//team-a/", "/team-a"), Some("/"));
        assert_eq!(below("/team-a", "/team-a"), Some("/"));
        assert_eq!(below("/team-ab/x", "/team-a"), None);
        assert_eq!(below("/", "/team-a"), None);
    }

    #[test]
    fn a_host_is_known_without_its_port() {
        assert_eq!(without_port("a.example.org:8080"), Some("a.example.org"));
        assert_eq!(without_port("a.example.org"), Some("a.example.org"));
        assert_eq!(without_port("[::1]:80"), Some("[::1]"));
        assert_eq!(without_port("[::1]"), Some("[::1]"));
    }
}
