//! Where caches are: host names and paths.

use std::net::Ipv6Addr;

use rns_formats::url::is_reserved_segment;
use rns_server::config::{CachesConfig, NamedCache};

use crate::config::diagnostics::Diagnostics;

/// The host names of a cache, in lower case.
pub(super) fn hosts(
    texts: &[String],
    name: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<String> {
    let hosts = texts.iter().map(|text| text.trim_end_matches('.').to_ascii_lowercase());
    let hosts: Vec<String> = hosts.collect();
    for (host, text) in hosts.iter().zip(texts).filter(|(host, _)| !is_host(host)) {
        diagnostics.problem(
            &format!("cache.{name}.hosts"),
            format!("`{text}` is not a host name"),
            if host.contains([':', '/']) {
                "write it without scheme, port and path"
            } else {
                "expected something like team-a.example.org"
            },
        );
    }
    hosts
}

fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(address) = address {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.split('.').all(|label| !label.is_empty() && label.bytes().all(plain))
}

/// The path of a cache, without a slash at the end.
pub(super) fn path(text: &str, name: &str, diagnostics: &mut Diagnostics<'_>) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let key = format!("cache.{name}.path");
    let path = text.strip_suffix('/').unwrap_or(text);
    let Some(segments) = path.strip_prefix('/') else {
        let hint = "expected something like /team-a";
        diagnostics.problem(&key, format!("`{text}` does not begin with a slash"), hint);
        return None;
    };
    for segment in segments.split('/') {
        if !is_segment(segment) {
            let hint = "small letters, digits, `-`, `_` and `.`, with slashes between";
            diagnostics.problem(&key, format!("`{text}` is no path for a cache"), hint);
            return None;
        }
        if is_reserved_segment(segment) {
            let reason = format!("`{segment}` is a name within a cache, so none can be under it");
            diagnostics.problem(&key, reason, "choose another path");
        }
    }
    Some(path.to_owned())
}

fn is_segment(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain)
}

/// Finds caches without a place, and places with several caches.
pub(super) fn check(caches: &CachesConfig, diagnostics: &mut Diagnostics<'_>) {
    for (index, one) in caches.named.iter().enumerate() {
        let is_set = |key: &str| diagnostics.settings.is_set(&format!("cache.{}.{key}", one.name));
        if one.hosts.is_empty() && one.path.is_none() && !is_set("path") {
            let hint = "write `hosts = [\"…\"]`, `path = \"/…\"` or both";
            diagnostics.problem(
                &format!("cache.{}", one.name),
                "it has neither a host name nor a path, so no request could reach it",
                hint,
            );
        }
        for other in caches.named.iter().take(index) {
            let same_hosts =
                is_common(one, other) || one.hosts.is_empty() && other.hosts.is_empty();
            let has_place = !one.hosts.is_empty() || one.path.is_some();
            if same_hosts && one.path == other.path && has_place {
                let reason = format!("it is in the same place as cache {}", other.name);
                diagnostics.problem(&format!("cache.{}", one.name), reason, "");
            }
        }
    }
}

fn is_common(one: &NamedCache, other: &NamedCache) -> bool {
    one.hosts.iter().any(|host| other.hosts.contains(host))
}

/// Pairs of caches under one host name that need different tokens, as messages name them.
pub(super) fn sharing_a_host(caches: &CachesConfig) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let named = |cache: &NamedCache| format!("cache {}", cache.name);
    for (index, one) in caches.named.iter().enumerate() {
        let tokens = &one.cache.access.tokens;
        let differ = |other: &Option<_>| tokens.is_some() && other.is_some() && tokens != other;
        // Below a host name of its own, a cache with a path leaves the rest to others.
        let has_host_alone = !one.hosts.is_empty() && one.path.is_none();
        if !has_host_alone && differ(&caches.default.access.tokens) {
            pairs.push((named(one), "the cache without a name".to_owned()));
        }
        for other in caches.named.iter().take(index) {
            let other_has_host_alone = !other.hosts.is_empty() && other.path.is_none();
            let share = match (one.hosts.is_empty(), other.hosts.is_empty()) {
                (false, false) => is_common(one, other),
                (true, true) => true,
                (true, false) => !other_has_host_alone,
                (false, true) => !has_host_alone,
            };
            if share && differ(&other.cache.access.tokens) {
                pairs.push((named(other), named(one)));
            }
        }
    }
    pairs
}

/// Warnings of caches that requests cannot reach, because the server looks for a cache with the host
/// name of the request first, and for one with the path only where no cache has that name.
pub(super) fn unreachable(caches: &CachesConfig, public_host: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    let whole_hosts = || {
        let alone = caches.named.iter().filter(|cache| cache.path.is_none());
        alone.flat_map(|cache| cache.hosts.iter().map(move |host| (host.as_str(), &cache.name)))
    };
    for cache in caches.named.iter().filter(|cache| cache.hosts.is_empty()) {
        let Some(path) = &cache.path else {
            warnings.push(format!(
                "cache {} answers for every host name and path that no other cache has, so the cache without a \
                 name is never reached",
                cache.name
            ));
            continue;
        };
        // Under the public host name the cache is reached, unless another cache has that name.
        let shadow = match public_host {
            Some(public) => whole_hosts().find(|(host, _)| *host == public),
            None => whole_hosts().next(),
        };
        if let Some((host, other)) = shadow {
            warnings.push(format!(
                "cache {} is not reached at {host}{path}, because {host} belongs to cache {other}; write `hosts = \
                 [\"{host}\"]` in [cache.{}] if it should be",
                cache.name, cache.name
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for good in ["localhost", "a.example.org", "192.0.2.1", "[2001:db8::1]", "my_host"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "a:80", "https://a", "a/b", "*.example.org", "::1", "a..b", "[x]", "ä.org"]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
