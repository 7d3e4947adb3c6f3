//! What is counted, and `/metrics` in the text format of Prometheus.
//!
//! Every counter is resolved when the server starts, so that counting costs one atomic addition and
//! no lookup. Labels come from enums, never from what a client sent.

mod kind;
mod process;
mod transfer;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use prometheus::{
    Encoder, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

pub use self::{
    kind::{AbortCause, Kind, Transport},
    transfer::{OpenConnection, Transfer},
};

/// The content type of what [`Metrics::render`] writes.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Statuses are counted by their first digit, 2 to 5.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Everything that is counted. Clones count into the same counters.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: [[IntCounter; CLASSES.len()]; Kind::ALL.len()],
    bytes: [IntCounter; Kind::ALL.len()],
    aborted: [IntCounter; AbortCause::ALL.len()],
    connections: [IntGauge; Transport::ALL.len()],
    in_flight: IntGauge,
    narinfo_hits: IntCounter,
    narinfo_misses: IntCounter,
    started: Instant,
    /// Filled in when they are asked for; locked, so that two readers do not count twice.
    asked: Mutex<Asked>,
}

/// Numbers that are kept elsewhere and are read when somebody asks for the metrics.
#[derive(Debug)]
struct Asked {
    uptime: Gauge,
    resident: IntGauge,
    descriptors: IntGauge,
    cpu: Gauge,
    roots: [IntCounter; 2],
    store_errors: IntCounter,
    layout_bytes: IntGauge,
    layout_hits: IntCounter,
    layout_misses: IntCounter,
    signing_keys: IntGauge,
    signing_problems: IntGauge,
}

/// What the store and the signer have counted themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Downloads whose path was held by a temporary GC root.
    pub temp_roots_held: u64,
    /// Downloads that went on without one.
    pub temp_roots_missed: u64,
    /// Lookups that the store could not answer.
    pub store_errors: u64,
    /// Memory taken by cached NAR layouts, in bytes.
    pub layout_cache_bytes: u64,
    /// NARs whose layout was in the cache.
    pub layout_cache_hits: u64,
    /// NARs whose store path had to be walked.
    pub layout_cache_misses: u64,
    /// Keys that sign.
    pub signing_keys: u64,
    /// Configured keys that cannot be used.
    pub signing_problems: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let build = Build(Registry::new());
        let requests = build.counters(
            "rust_nix_serve_requests_total",
            "Requests by the kind of thing asked for and the class of the answer's status.",
            &["kind", "status"],
        );
        let bytes = build.counters(
            "rust_nix_serve_response_bytes_total",
            "Bytes of bodies handed to the network, by the kind of thing asked for.",
            &["kind"],
        );
        let aborted = build.counters(
            "rust_nix_serve_downloads_aborted_total",
            "Downloads that ended before their last byte, by cause.",
            &["cause"],
        );
        let connections = build.gauges(
            "rust_nix_serve_connections",
            "Open connections, by transport.",
            &["transport"],
        );
        let lookups = build.counters(
            "rust_nix_serve_narinfo_lookups_total",
            "Narinfo requests that found a path (hit) or did not (miss).",
            &["result"],
        );
        let roots = build.counters(
            "rust_nix_serve_temp_roots_total",
            "Downloads whose path was protected from garbage collection while it was sent, and those whose was not.",
            &["state"],
        );
        let layout = build.counters(
            "rust_nix_serve_layout_cache_lookups_total",
            "NARs whose layout was cached (hit) and those whose store path had to be walked (miss).",
            &["result"],
        );
        build.constants();
        Self(Arc::new(Inner {
            requests: Kind::ALL.map(|kind| {
                CLASSES.map(|class| requests.with_label_values(&[kind.label(), class]))
            }),
            bytes: Kind::ALL.map(|kind| bytes.with_label_values(&[kind.label()])),
            aborted: AbortCause::ALL.map(|cause| aborted.with_label_values(&[cause.label()])),
            connections: Transport::ALL
                .map(|transport| connections.with_label_values(&[transport.label()])),
            in_flight: build.gauge(
                "rust_nix_serve_downloads_in_flight",
                "NARs, logs and files that are being streamed.",
            ),
            narinfo_hits: lookups.with_label_values(&["hit"]),
            narinfo_misses: lookups.with_label_values(&["miss"]),
            started: Instant::now(),
            asked: Mutex::new(Asked {
                uptime: build.float("rust_nix_serve_uptime_seconds", "Time since the start."),
                resident: build
                    .gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
                descriptors: build.gauge("process_open_fds", "Number of open file descriptors."),
                cpu: build.float(
                    "process_cpu_seconds_total",
                    "Total user and system CPU time spent in seconds.",
                ),
                roots: ["rooted", "unrooted"].map(|state| roots.with_label_values(&[state])),
                store_errors: build.counter(
                    "rust_nix_serve_store_errors_total",
                    "Lookups that the store could not answer.",
                ),
                layout_bytes: build.gauge(
                    "rust_nix_serve_layout_cache_bytes",
                    "Memory taken by cached NAR layouts.",
                ),
                layout_hits: layout.with_label_values(&["hit"]),
                layout_misses: layout.with_label_values(&["miss"]),
                signing_keys: build.gauge("rust_nix_serve_signing_keys", "Keys that sign."),
                signing_problems: build.gauge(
                    "rust_nix_serve_signing_key_problems",
                    "Configured signing keys that cannot be used.",
                ),
            }),
            registry: build.0,
        }))
    }

    /// Counts an answer, and for a narinfo whether it was found.
    pub fn answered(&self, kind: Kind, status: u16) {
        let class = usize::from(status / 100).saturating_sub(2).min(CLASSES.len() - 1);
        if let Some(counter) = self.0.requests.get(kind.index()).and_then(|row| row.get(class)) {
            counter.inc();
        }
        if kind == Kind::NarInfo {
            match status {
                200 | 304 => self.0.narinfo_hits.inc(),
                404 => self.0.narinfo_misses.inc(),
                _ => {}
            }
        }
    }

    /// Counts bytes of a body that was not streamed.
    pub fn bytes(&self, kind: Kind, bytes: usize) {
        if let Some(counter) = self.0.bytes.get(kind.index()) {
            counter.inc_by(bytes as u64);
        }
    }

    /// A download that starts; it ends when the value is dropped.
    #[must_use]
    pub fn transfer(&self, kind: Kind) -> Transfer {
        Transfer::start(self.clone(), kind)
    }

    /// A connection that is open until the value is dropped.
    #[must_use]
    pub fn connection(&self, transport: Transport) -> OpenConnection {
        OpenConnection::open(self.clone(), transport)
    }

    /// How many downloads run.
    #[must_use]
    pub fn downloads(&self) -> u64 {
        u64::try_from(self.0.in_flight.get()).unwrap_or(0)
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self, transport: Transport) -> u64 {
        let gauge = self.0.connections.get(transport.index());
        gauge.map_or(0, |gauge| u64::try_from(gauge.get()).unwrap_or(0))
    }

    /// Everything, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self, observed: &Observed) -> String {
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.fill(self.0.started, observed);
        let mut text = Vec::with_capacity(16 << 10);
        if let Err(err) = TextEncoder::new().encode(&self.0.registry.gather(), &mut text) {
            tracing::error!(%err, "cannot write the metrics");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

impl Asked {
    fn fill(&self, started: Instant, observed: &Observed) {
        self.uptime.set(started.elapsed().as_secs_f64());
        if let Some(process) = process::read() {
            self.resident.set(gauge(process.resident_bytes));
            self.descriptors.set(gauge(process.open_descriptors));
            self.cpu.set(process.cpu_seconds);
        }
        let [rooted, unrooted] = &self.roots;
        raise(rooted, observed.temp_roots_held);
        raise(unrooted, observed.temp_roots_missed);
        raise(&self.store_errors, observed.store_errors);
        self.layout_bytes.set(gauge(observed.layout_cache_bytes));
        raise(&self.layout_hits, observed.layout_cache_hits);
        raise(&self.layout_misses, observed.layout_cache_misses);
        self.signing_keys.set(gauge(observed.signing_keys));
        self.signing_problems.set(gauge(observed.signing_problems));
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// Makes metrics and registers them. Names and labels are constants, so neither can fail.
struct Build(Registry);

#[expect(clippy::expect_used, reason = "names and labels are constants, checked by every test run")]
impl Build {
    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("a valid metric");
        self.0.register(Box::new(collector.clone())).expect("a name that is used once");
        collector
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn float(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    fn constants(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.float(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
        )
        .set(now.as_secs_f64());
        let info = Opts::new("rust_nix_serve_build_info", "The version, as a label; always 1.");
        self.register(GaugeVec::new(info, &["version"]))
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, series: &str) -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    #[test]
    fn requests_are_counted_by_kind_and_class() {
        let metrics = Metrics::new();
        for status in [200, 304, 404, 503] {
            metrics.answered(Kind::NarInfo, status);
        }
        metrics.answered(Kind::Nar, 206);
        let text = metrics.render(&Observed::default());
        for class in ["2xx", "3xx", "4xx", "5xx"] {
            let series =
                format!("rust_nix_serve_requests_total{{kind=\"narinfo\",status=\"{class}\"}}");
            assert!((value(&text, &series) - 1.0).abs() < f64::EPSILON);
        }
        assert_eq!(
            value(&text, "rust_nix_serve_requests_total{kind=\"nar\",status=\"2xx\"}") as u64,
            1
        );
        assert_eq!(value(&text, "rust_nix_serve_narinfo_lookups_total{result=\"hit\"}") as u64, 2);
        assert_eq!(value(&text, "rust_nix_serve_narinfo_lookups_total{result=\"miss\"}") as u64, 1);
    }

    #[test]
    fn a_status_outside_all_classes_is_counted_and_does_no_harm() {
        let metrics = Metrics::new();
        metrics.answered(Kind::Other, 0);
        metrics.answered(Kind::Other, 999);
        let text = metrics.render(&Observed::default());
        assert_eq!(
            value(&text, "rust_nix_serve_requests_total{kind=\"other\",status=\"5xx\"}") as u64,
            1
        );
    }

    #[test]
    fn observed_counters_never_fall() {
        let metrics = Metrics::new();
        let observed = Observed { store_errors: 7, layout_cache_bytes: 9, ..Observed::default() };
        let _ = metrics.render(&observed);
        let again = metrics.render(&Observed::default());
        assert_eq!(value(&again, "rust_nix_serve_store_errors_total") as u64, 7);
        assert_eq!(value(&again, "rust_nix_serve_layout_cache_bytes") as u64, 0);
    }

    #[test]
    fn the_process_is_described() {
        let text = Metrics::new().render(&Observed::default());
        assert!(value(&text, "process_resident_memory_bytes") > 1e5);
        assert!(value(&text, "process_open_fds") > 2.0);
        assert!(value(&text, "process_start_time_seconds") > 1.7e9);
        assert!(value(&text, "rust_nix_serve_uptime_seconds") >= 0.0);
        assert!(text.contains("rust_nix_serve_build_info{version=\""));
    }
}
