//! The caches that the store appears as: the one without a name, and those of `[cache.<name>]`.

mod place;

use rns_server::config::{AccessConfig, CacheConfig, CachesConfig, NamedCache, SigningConfig};

use super::{
    access::{self, AccessRules},
    diagnostics::Diagnostics,
    expose::expose,
    raw::{RawCache, RawCacheUpload, RawConfig},
    signing, upload,
};
use crate::host::host_of;

/// Without a choice, the whole store would be published by accident.
const DEFAULT_EXPOSE_NOT_SET: &str = "there are named caches, so this table must choose the paths that the cache without a name shows";
const EXPOSE_NOT_SET: &str = "a named cache must choose the paths that it shows";

/// All of them.
pub(super) fn caches(raw: &RawConfig, diagnostics: &mut Diagnostics<'_>) -> CachesConfig {
    let why = (!raw.cache.is_empty()).then_some(DEFAULT_EXPOSE_NOT_SET);
    let default = CacheConfig {
        priority: raw.cache_info.priority,
        want_mass_query: raw.cache_info.want_mass_query,
        signing: signing::signing(&raw.signing, "signing", diagnostics),
        access: access::access(AccessRules::of(&raw.access), "access", diagnostics),
        expose: expose(&raw.expose, "expose", why, diagnostics),
        upload: upload::of_cache(&RawCacheUpload::default(), &raw.upload, "upload", diagnostics),
    };
    let mut named = Vec::new();
    for (name, cache) in &raw.cache {
        named.push(NamedCache {
            name: name.clone(),
            hosts: place::hosts(&cache.hosts, name, diagnostics),
            path: place::path(&cache.path, name, diagnostics),
            cache: named_cache(name, cache, raw, &default.signing, diagnostics),
        });
    }
    let caches = CachesConfig { default, named };
    place::check(&caches, diagnostics);
    let public_host = host_of(&raw.public_url).to_ascii_lowercase();
    let public_host = (!public_host.is_empty()).then_some(public_host);
    warn(&caches, public_host.as_deref(), diagnostics);
    caches
}

fn named_cache(
    name: &str,
    cache: &RawCache,
    raw: &RawConfig,
    general: &SigningConfig,
    diagnostics: &mut Diagnostics<'_>,
) -> CacheConfig {
    let table = format!("cache.{name}");
    let says_nothing = cache.signing.keys.is_none()
        && cache.signing.policy.is_none()
        && cache.signing.signed_by.is_none();
    let signing = if says_nothing {
        general.clone()
    } else {
        let own = signing::of_cache(&cache.signing, &raw.signing);
        signing::signing(&own, &format!("{table}.signing"), diagnostics)
    };
    CacheConfig {
        priority: cache.priority.unwrap_or(raw.cache_info.priority),
        want_mass_query: cache.want_mass_query.unwrap_or(raw.cache_info.want_mass_query),
        signing,
        access: access::access(
            AccessRules::of_cache(&cache.access),
            &format!("{table}.access"),
            diagnostics,
        ),
        expose: expose(
            &cache.expose,
            &format!("{table}.expose"),
            Some(EXPOSE_NOT_SET),
            diagnostics,
        ),
        upload: upload::of_cache(
            &cache.upload,
            &raw.upload,
            &format!("{table}.upload"),
            diagnostics,
        ),
    }
}

/// Warns of configurations that are valid, but hardly intended.
fn warn(caches: &CachesConfig, public_host: Option<&str>, diagnostics: &mut Diagnostics<'_>) {
    for named in &caches.named {
        if has_no_clients(&named.cache.access) {
            diagnostics.warn(format!(
                "no client may use cache {0}: [cache.{0}.access] has neither tokens nor subjects nor issuers, and `anonymous` is empty",
                named.name
            ));
        }
    }
    for warning in place::unreachable(caches, public_host) {
        diagnostics.warn(warning);
    }
    for (one, other) in place::sharing_a_host(caches) {
        diagnostics.warn(format!(
            "{one} and {other} have different tokens and share a host name: Nix keeps one password for each host, so give them host names of their own"
        ));
    }
}

fn has_no_clients(access: &AccessConfig) -> bool {
    access.anonymous.is_empty()
        && access.tokens.is_none()
        && access.subjects.is_empty()
        && access.oidc.is_empty()
}

#[cfg(test)]
mod tests;
