//! The collection of a storage.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use rns_cache::RetentionStats;

use super::build::{Build, raise, signed};

#[derive(Debug)]
pub(super) struct RetentionMetrics {
    kept_paths: IntGaugeVec,
    kept_bytes: IntGaugeVec,
    reclaimed_paths: IntCounter,
    reclaimed_bytes: IntCounter,
    kept_documents: IntGaugeVec,
    reclaimed_documents: IntCounterVec,
    runs: IntCounter,
    failures: IntCounter,
    stored: IntGauge,
    max_size: IntGauge,
    last: Gauge,
    duration: Gauge,
    next: Gauge,
}

impl RetentionMetrics {
    pub(super) fn new(build: &Build) -> Self {
        Self {
            kept_paths: build.gauges(
                "rust_nix_serve_retention_kept_paths",
                "Paths of the storage that stay, by the strongest reason.",
                &["reason"],
            ),
            kept_bytes: build.gauges(
                "rust_nix_serve_retention_kept_bytes",
                "Bytes of their NARs as they are stored.",
                &["reason"],
            ),
            reclaimed_paths: build.counter(
                "rust_nix_serve_retention_reclaimed_paths_total",
                "Paths that this server has removed because nothing keeps them.",
            ),
            reclaimed_bytes: build.counter(
                "rust_nix_serve_retention_reclaimed_bytes_total",
                "Bytes of NARs that this server has removed.",
            ),
            kept_documents: build.gauges(
                "rust_nix_serve_retention_kept_documents",
                "Build logs, realisations and other documents of the storage that stay.",
                &["kind"],
            ),
            reclaimed_documents: build.counters(
                "rust_nix_serve_retention_reclaimed_documents_total",
                "Documents that this server has removed because the paths they belong to are gone.",
                &["kind"],
            ),
            runs: build.counter(
                "rust_nix_serve_retention_runs_total",
                "Collections that came to their end.",
            ),
            failures: build.counter(
                "rust_nix_serve_retention_failures_total",
                "Collections that were cut off.",
            ),
            stored: build.gauge(
                "rust_nix_serve_retention_stored_bytes",
                "Bytes of all NARs of the storage, when it was last looked.",
            ),
            max_size: build.gauge(
                "rust_nix_serve_retention_max_bytes",
                "The limit in retention.max_size; 0 without one.",
            ),
            last: build.float(
                "rust_nix_serve_retention_last_run_timestamp_seconds",
                "When a collection last came to its end, since 1970.",
            ),
            duration: build.float(
                "rust_nix_serve_retention_last_run_seconds",
                "How long that collection took.",
            ),
            next: build.float(
                "rust_nix_serve_retention_next_run_timestamp_seconds",
                "When the next collection is due, since 1970; 0 without a schedule.",
            ),
        }
    }

    pub(super) fn fill(&self, stats: &RetentionStats) {
        for (reason, paths, bytes) in &stats.kept {
            self.kept_paths.with_label_values(&[reason]).set(signed(*paths));
            self.kept_bytes.with_label_values(&[reason]).set(signed(*bytes));
        }
        raise(&self.reclaimed_paths, stats.reclaimed_paths);
        raise(&self.reclaimed_bytes, stats.reclaimed_bytes);
        for (kind, count) in &stats.kept_documents {
            self.kept_documents.with_label_values(&[kind]).set(signed(*count));
        }
        for (kind, count) in &stats.reclaimed_documents {
            raise(&self.reclaimed_documents.with_label_values(&[kind]), *count);
        }
        raise(&self.runs, stats.runs);
        raise(&self.failures, stats.failures);
        self.stored.set(signed(stats.stored_bytes));
        self.max_size.set(signed(stats.max_size.unwrap_or(0)));
        self.last.set(seconds(stats.last_ended));
        self.duration.set(stats.last_duration.as_secs_f64());
        self.next.set(seconds(stats.next));
    }
}

fn seconds(time: Option<SystemTime>) -> f64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs_f64())
}
