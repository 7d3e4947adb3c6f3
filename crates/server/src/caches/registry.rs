//! The named caches.
//!
//! Each has its own keys, priority, tokens and choice of paths. A request is for the cache whose host name or path it
//! names, otherwise for the default one.

use std::sync::Arc;

use actix_web::http::header;
use rns_cache::{BinaryCache, CacheFactory};
use rns_formats::PublicKey;

use crate::{
    caches::cache::{Cache, PUSH_PATH},
    config::{CachesConfig, NamedCache},
    connection::request_parts::RequestParts,
};

/// All caches.
pub(crate) struct CacheRegistry {
    default: Arc<Cache>,
    named: Vec<(NamedCache, Arc<Cache>)>,
    factory: Arc<dyn CacheFactory>,
}

impl CacheRegistry {
    /// Loads the keys and tokens of all caches. Problems with them are kept by the cache, and are no error. The policies of
    /// the caches are evaluated from now on.
    pub(crate) fn new(factory: Arc<dyn CacheFactory>, caches: &CachesConfig) -> Self {
        let named = caches.named.iter().map(|named| {
            let cache = Cache::new(&factory, Some(named), &named.cache);
            (named.clone(), Arc::new(cache))
        });
        let mut named: Vec<_> = named.collect();
        // The most particular first: a path of a host, then a host, then the longest path.
        named.sort_by_key(|(config, _)| {
            let path = config.path.as_ref().map_or(0, String::len);
            std::cmp::Reverse((!config.hosts.is_empty(), path))
        });
        Self { default: Arc::new(Cache::new(&factory, None, &caches.default)), named, factory }
    }

    /// The factory of the backends of all caches.
    pub(crate) const fn factory(&self) -> &Arc<dyn CacheFactory> {
        &self.factory
    }

    /// The cache of requests that name no other.
    pub(crate) const fn default_cache(&self) -> &Arc<Cache> {
        &self.default
    }

    /// Every cache.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Cache>> {
        std::iter::once(&self.default).chain(self.named.iter().map(|(_, cache)| cache))
    }

    /// Whether uploads, to each cache that takes them, are steps that block on this machine.
    pub(crate) fn has_local_targets(&self) -> bool {
        let caches = self.all().chain(self.all().filter_map(|cache| cache.push.as_ref()));
        let mut uploads = caches.filter_map(|cache| cache.uploads.as_ref()).peekable();
        uploads.peek().is_some() && uploads.all(|uploads| uploads.target.is_local())
    }

    /// Every public key that the configuration of any cache names.
    pub(crate) fn known_keys(&self) -> Vec<PublicKey> {
        let mut known: Vec<PublicKey> = Vec::new();
        for cache in self.all() {
            let required = cache.config.upload.require_signature_by.iter().cloned();
            known.extend(cache.signer().known_keys().chain(required));
        }
        known
    }

    /// The backends as each cache shows them, and as the holders of confined tokens see them.
    pub(crate) fn stores(&self) -> impl Iterator<Item = Arc<dyn BinaryCache>> {
        self.all().flat_map(|cache| cache.stores())
    }

    /// The cache that a request is for, and the path inside it.
    pub(crate) fn of<'a>(&self, request: &'a impl RequestParts) -> (&Arc<Cache>, &'a str) {
        self.find(request.head().uri.path(), || host(request))
    }

    /// The cache that a request with this path is for, and the path inside it. `host` is the host that it is sent to, in
    /// the form of [`host_name`].
    pub(crate) fn find<'a>(
        &self,
        path: &'a str,
        host: impl FnOnce() -> Option<String>,
    ) -> (&Arc<Cache>, &'a str) {
        let (cache, path) = self.find_named(path, host);
        match &cache.push {
            Some(push) => below(path, PUSH_PATH).map_or((cache, path), |rest| (push, rest)),
            None => (cache, path),
        }
    }

    fn find_named<'a>(
        &self,
        path: &'a str,
        host: impl FnOnce() -> Option<String>,
    ) -> (&Arc<Cache>, &'a str) {
        if self.named.is_empty() {
            return (&self.default, path);
        }
        let host = host();
        for (config, cache) in &self.named {
            if !config.hosts.is_empty()
                && !config.hosts.iter().any(|name| host.as_deref() == Some(name))
            {
                continue;
            }
            match &config.path {
                None => return (cache, path),
                Some(prefix) => {
                    if let Some(rest) = below(path, prefix) {
                        return (cache, rest);
                    }
                }
            }
        }
        (&self.default, path)
    }
}

/// The rest of a path below a prefix.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.trim_start_matches('/');
    let rest = path.trim_start_matches('/').strip_prefix(prefix)?;
    if rest.is_empty() { Some("/") } else { rest.starts_with('/').then_some(rest) }
}

/// The host name that a request is sent to, without the port. Other headers of proxies are not looked at.
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
