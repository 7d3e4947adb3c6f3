//! From the values as written to the values as meant.

use std::{num::NonZeroU64, path::PathBuf};

use rns_nix_store::StoreConfig;
use rns_server::config::{ClientLimits, Limits, ServerConfig, TlsFiles};

use super::{
    access, caches,
    env::Environment,
    listeners, nar_cache, nginx,
    problem::Problem,
    raw::{RawConfig, RawFormat, RawLog, RawTls},
    settings::Settings,
    store,
    units::ByteSize,
};
use crate::logging::{LogConfig, LogFormat, check_level};

/// Collects what is wrong, with the place each key was set.
pub(super) struct Finder<'a> {
    pub(super) settings: &'a Settings,
    pub(super) environment: &'a Environment,
    pub(super) problems: &'a mut Vec<Problem>,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Finder<'_> {
    pub(super) fn problem(&mut self, key: &str, reason: impl Into<String>, hint: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            source: self.settings.source(key),
            reason: reason.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        });
    }

    /// A key or certificate file; see the description of `signing.keys` for relative names.
    pub(super) fn credential(&self, name: &str) -> PathBuf {
        match self.environment.get("CREDENTIALS_DIRECTORY") {
            Some(directory) => PathBuf::from(directory).join(name),
            None => std::path::absolute(name).unwrap_or_else(|_| name.into()),
        }
    }
}

/// The configuration of the server, of the local store and of the log.
pub(super) fn resolve(
    raw: &RawConfig,
    find: &mut Finder<'_>,
) -> (ServerConfig, StoreConfig, LogConfig) {
    let tls = tls(&raw.tls, find);
    let listeners = listeners::clients(raw, find);
    let server = ServerConfig {
        tls,
        workers: raw.workers,
        public_url: public_url(&raw.public_url, find),
        shutdown_grace: raw.shutdown_grace.0,
        caches: caches::caches(raw, find),
        failure_policy: access::door(&raw.access, find),
        metrics_listeners: listeners::metrics(raw, &listeners, find),
        limits: limits(raw, find),
        nginx: nginx::resolve(raw, &listeners, find),
        listeners,
    };
    let store = StoreConfig {
        nar_cache: nar_cache::resolve(&raw.nar_cache, find),
        prewarm: nar_cache::prewarm(&raw.nar_cache, find),
        ..store::resolve(&raw.store, find)
    };
    (server, store, log(&raw.log, find))
}

fn tls(raw: &RawTls, find: &mut Finder<'_>) -> Option<TlsFiles> {
    match (raw.certificate.as_str(), raw.key.as_str()) {
        ("", "") => {
            if !raw.client_ca.is_empty() {
                let reason = "clients show certificates only where TLS is spoken here";
                find.problem("tls.client_ca", reason, "write `certificate` and `key` as well");
            }
            None
        }
        (_, "") => {
            find.problem("tls.key", "there is a certificate, but no key", "");
            None
        }
        ("", _) => {
            find.problem("tls.certificate", "there is a key, but no certificate", "");
            None
        }
        (certificate, key) => Some(TlsFiles {
            certificate: find.credential(certificate),
            key: find.credential(key),
            client_ca: (!raw.client_ca.is_empty()).then(|| find.credential(&raw.client_ca)),
        }),
    }
}

fn public_url(text: &str, find: &mut Finder<'_>) -> Option<String> {
    let trimmed = text.trim_end_matches('/');
    let host = trimmed.strip_prefix("http://").or_else(|| trimmed.strip_prefix("https://"));
    match host {
        _ if text.is_empty() => None,
        Some(host)
            if !host.is_empty()
                && !host.contains(|c: char| c.is_whitespace() || "?#\"'<>".contains(c)) =>
        {
            Some(trimmed.to_owned())
        }
        _ => {
            let hint = "expected something like https://cache.example.org";
            find.problem("public_url", format!("`{text}` is not the URL of a cache"), hint);
            None
        }
    }
}

const fn client_limits(at_once: u64, per_second: u64, bandwidth: ByteSize) -> ClientLimits {
    ClientLimits {
        requests_at_once: NonZeroU64::new(at_once),
        requests_per_second: NonZeroU64::new(per_second),
        bandwidth: NonZeroU64::new(bandwidth.0),
    }
}

/// Memory that two downloads take.
const LEAST_SEND_MEMORY: u64 = 1 << 20;

fn limits(raw: &RawConfig, find: &mut Finder<'_>) -> Limits {
    let raw = &raw.limits;
    for (key, value) in
        [("limits.connections", raw.connections), ("limits.downloads", raw.downloads)]
    {
        if value == 0 {
            find.problem(key, "0 would serve nobody", "");
        }
    }
    if raw.send_memory.0 < LEAST_SEND_MEMORY {
        let hint = "expected at least 1MiB";
        find.problem("limits.send_memory", "too little for a single download", hint);
    }
    let timeouts = [
        ("limits.header_timeout", raw.header_timeout),
        ("limits.idle_timeout", raw.idle_timeout),
        ("limits.stall_timeout", raw.stall_timeout),
    ];
    for (key, span) in timeouts {
        if span.0.is_zero() {
            find.problem(key, "0 would cut off everybody", "");
        }
    }
    if raw.stall_timeout.0.as_secs() < 300 {
        find.warnings.push(format!(
            "limits.stall_timeout is {}: clients that pause for minutes while they unpack will be cut off",
            raw.stall_timeout
        ));
    }
    Limits {
        connections: raw.connections,
        header_timeout: raw.header_timeout.0,
        idle_timeout: raw.idle_timeout.0,
        stall_timeout: raw.stall_timeout.0,
        downloads: raw.downloads,
        send_memory_bytes: raw.send_memory.0,
        connections_per_address: NonZeroU64::new(raw.connections_per_address),
        per_address: client_limits(
            raw.per_address.requests_at_once,
            raw.per_address.requests_per_second,
            raw.per_address.bandwidth,
        ),
        per_token: client_limits(
            raw.per_token.requests_at_once,
            raw.per_token.requests_per_second,
            raw.per_token.bandwidth,
        ),
        narinfo_cache_bytes: usize::try_from(raw.narinfo_cache.0).unwrap_or(usize::MAX),
    }
}

fn log(raw: &RawLog, find: &mut Finder<'_>) -> LogConfig {
    if let Err(reason) = check_level(&raw.level) {
        find.problem(
            "log.level",
            reason,
            "expected error, warn, info, debug, trace or `rns_nix_store=debug,info`",
        );
    }
    LogConfig {
        level: raw.level.clone(),
        format: match raw.format {
            RawFormat::Auto => LogFormat::Auto,
            RawFormat::Text => LogFormat::Text,
            RawFormat::Json => LogFormat::Json,
        },
    }
}
