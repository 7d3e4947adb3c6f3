//! Numbers that are kept elsewhere and are read when the metrics are asked for.

use std::time::Instant;

use prometheus::{Gauge, IntCounter, IntGauge};

use rns_cache::{DiskRoom, ExposureStats, NarCacheStats, RetentionStats};

use super::{
    build::{Build, raise, signed},
    disks::DiskMetrics,
    exposure::ExposureMetrics,
    process,
    retention::RetentionMetrics,
};

/// Counts of the store and the signer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Downloads whose path was held by a temporary GC root.
    pub(crate) temp_roots_held: u64,
    /// Downloads that went on without one.
    pub(crate) temp_roots_missed: u64,
    /// Lookups that the store could not answer.
    pub(crate) store_errors: u64,
    /// Memory taken by cached NAR layouts, in bytes.
    pub(crate) layout_cache_bytes: u64,
    /// NARs whose layout was in the cache.
    pub(crate) layout_cache_hits: u64,
    /// NARs whose store path had to be walked.
    pub(crate) layout_cache_misses: u64,
    /// Memory taken by bodies on their way to clients, in bytes.
    pub(crate) send_memory_bytes: u64,
    /// Requests that wait for others to be answered.
    pub(crate) requests_waiting: u64,
    /// Memory taken by rendered narinfos, in bytes.
    pub(crate) narinfo_cache_bytes: u64,
    /// Compressed NARs.
    pub(crate) nar_cache: NarCacheStats,
    /// The exposure of each cache with a policy, by its name; the one without a name has an empty one.
    pub(crate) exposures: Vec<(String, ExposureStats)>,
    /// Disks of which a part is kept free.
    pub(crate) disks: Vec<(&'static str, DiskRoom)>,
    /// Collection of the storage.
    pub(crate) retention: Option<RetentionStats>,
    /// Keys that sign.
    pub(crate) signing_keys: u64,
    /// Configured keys that cannot be used.
    pub(crate) signing_problems: u64,
    /// Caches whose file of tokens could not be used when it was last read.
    pub(crate) token_file_problems: u64,
}

#[derive(Debug)]
pub(super) struct ObservedMetrics {
    started: Instant,
    uptime: Gauge,
    resident: IntGauge,
    descriptors: IntGauge,
    cpu: Gauge,
    rooted: IntCounter,
    unrooted: IntCounter,
    store_errors: IntCounter,
    layout_bytes: IntGauge,
    layout_hits: IntCounter,
    layout_misses: IntCounter,
    send_memory: IntGauge,
    waiting: IntGauge,
    narinfo_bytes: IntGauge,
    nar_cache: NarCacheMetrics,
    exposures: ExposureMetrics,
    disks: DiskMetrics,
    retention: RetentionMetrics,
    signing_keys: IntGauge,
    signing_problems: IntGauge,
    token_file_problems: IntGauge,
}

impl ObservedMetrics {
    pub(super) fn new(build: &Build) -> Self {
        let roots = build.counters(
            "rust_nix_serve_temp_roots_total",
            "Downloads whose path was protected from garbage collection while it was sent, and others.",
            &["state"],
        );
        let layouts = build.counters(
            "rust_nix_serve_layout_cache_lookups_total",
            "NARs whose layout was cached (hit), and whose store path had to be walked (miss).",
            &["result"],
        );
        Self {
            started: Instant::now(),
            uptime: build.float("rust_nix_serve_uptime_seconds", "Time since the start."),
            resident: build
                .gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
            descriptors: build.gauge("process_open_fds", "Number of open file descriptors."),
            cpu: build.float(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
            ),
            rooted: roots.with_label_values(&["rooted"]),
            unrooted: roots.with_label_values(&["unrooted"]),
            store_errors: build.counter(
                "rust_nix_serve_store_errors_total",
                "Lookups that the store could not answer.",
            ),
            layout_bytes: build
                .gauge("rust_nix_serve_layout_cache_bytes", "Memory taken by cached NAR layouts."),
            layout_hits: layouts.with_label_values(&["hit"]),
            layout_misses: layouts.with_label_values(&["miss"]),
            send_memory: build.gauge(
                "rust_nix_serve_send_memory_bytes",
                "Memory taken by bodies on their way to clients, of limits.send_memory.",
            ),
            waiting: build.gauge(
                "rust_nix_serve_requests_waiting",
                "Requests that wait for limits.downloads or limits.send_memory.",
            ),
            narinfo_bytes: build
                .gauge("rust_nix_serve_narinfo_cache_bytes", "Memory taken by rendered narinfos."),
            nar_cache: NarCacheMetrics::new(build),
            exposures: ExposureMetrics::new(build),
            disks: DiskMetrics::new(build),
            retention: RetentionMetrics::new(build),
            signing_keys: build.gauge("rust_nix_serve_signing_keys", "Keys that sign."),
            signing_problems: build.gauge(
                "rust_nix_serve_signing_key_problems",
                "Configured signing keys that cannot be used.",
            ),
            token_file_problems: build.gauge(
                "rust_nix_serve_token_file_problems",
                "Caches whose file of tokens was refused when it was last read.",
            ),
        }
    }

    pub(super) fn fill(&self, observed: &Observed) {
        self.uptime.set(self.started.elapsed().as_secs_f64());
        if let Some(process) = process::read() {
            self.resident.set(signed(process.resident_bytes));
            self.descriptors.set(signed(process.open_descriptors));
            self.cpu.set(process.cpu_seconds);
        }
        raise(&self.rooted, observed.temp_roots_held);
        raise(&self.unrooted, observed.temp_roots_missed);
        raise(&self.store_errors, observed.store_errors);
        self.send_memory.set(signed(observed.send_memory_bytes));
        self.waiting.set(signed(observed.requests_waiting));
        self.layout_bytes.set(signed(observed.layout_cache_bytes));
        raise(&self.layout_hits, observed.layout_cache_hits);
        raise(&self.layout_misses, observed.layout_cache_misses);
        self.narinfo_bytes.set(signed(observed.narinfo_cache_bytes));
        self.nar_cache.fill(&observed.nar_cache);
        self.exposures.fill(&observed.exposures);
        self.disks.fill(&observed.disks);
        if let Some(retention) = &observed.retention {
            self.retention.fill(retention);
        }
        self.signing_keys.set(signed(observed.signing_keys));
        self.signing_problems.set(signed(observed.signing_problems));
        self.token_file_problems.set(signed(observed.token_file_problems));
    }
}

#[derive(Debug)]
struct NarCacheMetrics {
    bytes: IntGauge,
    memory: IntGauge,
    hits: IntCounter,
    misses: IntCounter,
    evictions: IntCounter,
    running: IntGauge,
    made: IntCounter,
}

impl NarCacheMetrics {
    fn new(build: &Build) -> Self {
        let lookups = build.counters(
            "rust_nix_serve_nar_cache_lookups_total",
            "Requests for compressed NARs that were cached (hit), and others (miss).",
            &["result"],
        );
        Self {
            bytes: build
                .gauge("rust_nix_serve_nar_cache_bytes", "Compressed NARs on disk, in bytes."),
            memory: build.gauge(
                "rust_nix_serve_nar_cache_memory_bytes",
                "Memory taken by small compressed NARs.",
            ),
            hits: lookups.with_label_values(&["hit"]),
            misses: lookups.with_label_values(&["miss"]),
            evictions: build.counter(
                "rust_nix_serve_nar_cache_evictions_total",
                "Compressed NARs that were removed to make room.",
            ),
            running: build
                .gauge("rust_nix_serve_compressions_running", "NARs that are being compressed."),
            made: build.counter(
                "rust_nix_serve_compressions_total",
                "NARs that were compressed to their end.",
            ),
        }
    }

    fn fill(&self, numbers: &NarCacheStats) {
        self.bytes.set(signed(numbers.bytes));
        self.memory.set(signed(numbers.memory_bytes));
        raise(&self.hits, numbers.hits);
        raise(&self.misses, numbers.misses);
        raise(&self.evictions, numbers.evictions);
        self.running.set(signed(numbers.running));
        raise(&self.made, numbers.made);
    }
}
