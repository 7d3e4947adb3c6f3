//! From the values as written to the values as meant.

use std::num::NonZeroU64;

use rns_nix_store::StoreConfig;
use rns_server::config::{ClientLimits, Limits, ServerConfig, TlsFiles};

use super::{
    access, caches,
    diagnostics::Diagnostics,
    listeners, nar_cache, nginx,
    raw::{RawConfig, RawFormat, RawLog, RawTls},
    store,
    units::ByteSize,
};
use crate::logging::{LogConfig, LogFormat, check_level};

/// The configuration of the server, of the local store and of the log.
pub(super) fn resolve(
    raw: &RawConfig,
    diagnostics: &mut Diagnostics<'_>,
) -> (ServerConfig, StoreConfig, LogConfig) {
    let tls = tls(&raw.tls, diagnostics);
    let listeners = listeners::clients(raw, diagnostics);
    let server = ServerConfig {
        tls,
        workers: raw.workers,
        public_url: public_url(&raw.public_url, diagnostics),
        shutdown_grace: raw.shutdown_grace.0,
        caches: caches::caches(raw, diagnostics),
        failure_policy: access::failure_policy(&raw.access, diagnostics),
        metrics_listeners: listeners::metrics(raw, &listeners, diagnostics),
        limits: limits(raw, diagnostics),
        nginx: nginx::resolve(raw, &listeners, diagnostics),
        fast_path: raw.fast_path,
        listeners,
    };
    let store = StoreConfig {
        nar_cache: nar_cache::resolve(&raw.nar_cache, diagnostics),
        prewarm: nar_cache::prewarm(&raw.nar_cache, diagnostics),
        ..store::resolve(&raw.store, diagnostics)
    };
    (server, store, log(&raw.log, diagnostics))
}

fn tls(raw: &RawTls, diagnostics: &mut Diagnostics<'_>) -> Option<TlsFiles> {
    match (raw.certificate.as_str(), raw.key.as_str()) {
        ("", "") => {
            if !raw.client_ca.is_empty() {
                let reason = "clients show certificates only where TLS is spoken here";
                diagnostics.problem(
                    "tls.client_ca",
                    reason,
                    "write `certificate` and `key` as well",
                );
            }
            None
        }
        (_, "") => {
            diagnostics.problem("tls.key", "there is a certificate, but no key", "");
            None
        }
        ("", _) => {
            diagnostics.problem("tls.certificate", "there is a key, but no certificate", "");
            None
        }
        (certificate, key) => Some(TlsFiles {
            certificate: diagnostics.credential(certificate),
            key: diagnostics.credential(key),
            client_ca: (!raw.client_ca.is_empty()).then(|| diagnostics.credential(&raw.client_ca)),
        }),
    }
}

fn public_url(text: &str, diagnostics: &mut Diagnostics<'_>) -> Option<String> {
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
            diagnostics.problem("public_url", format!("`{text}` is not the URL of a cache"), hint);
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
const MIN_SEND_MEMORY: u64 = 1 << 20;

fn limits(raw: &RawConfig, diagnostics: &mut Diagnostics<'_>) -> Limits {
    let raw = &raw.limits;
    for (key, value) in [
        ("limits.connections", raw.connections),
        ("limits.downloads", raw.downloads),
        ("limits.uploads", raw.uploads),
    ] {
        if value == 0 {
            diagnostics.problem(key, "0 would refuse every client", "");
        }
    }
    if raw.send_memory.0 < MIN_SEND_MEMORY {
        let hint = "expected at least 1MiB";
        diagnostics.problem("limits.send_memory", "too little for a single download", hint);
    }
    let timeouts = [
        ("limits.header_timeout", raw.header_timeout),
        ("limits.idle_timeout", raw.idle_timeout),
        ("limits.stall_timeout", raw.stall_timeout),
    ];
    for (key, span) in timeouts {
        if span.0.is_zero() {
            diagnostics.problem(key, "0 would cut off every client", "");
        }
    }
    if raw.stall_timeout.0.as_secs() < 300 {
        diagnostics.warn(format!(
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
        uploads: raw.uploads,
        upload_memory_bytes: raw.upload_memory.0,
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
        narinfo_cache_bytes: raw.narinfo_cache.in_memory(),
    }
}

fn log(raw: &RawLog, diagnostics: &mut Diagnostics<'_>) -> LogConfig {
    if let Err(error) = check_level(&raw.level) {
        diagnostics.problem(
            "log.level",
            error.to_string(),
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
