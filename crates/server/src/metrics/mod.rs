//! Counters, and `/metrics` in the text format of Prometheus.
//!
//! Every counter is resolved when the server starts, so that counting costs one atomic addition and
//! no lookup. Labels come from enums and from the configuration, never from text of a client.

mod build;
mod disks;
mod exposure;
mod kind;
pub(crate) mod listener;
mod observed;
mod process;
mod retention;
mod transfer;
mod upload;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{Encoder, IntCounter, IntGauge, Registry, TextEncoder};

use self::{
    build::Build, observed::ObservedMetrics, transfer::DownloadCounters, upload::UploadMetrics,
};
pub(crate) use self::{
    kind::{AbortCause, Kind, RefusedUpload, Transport},
    observed::Observed,
    transfer::{ConnectionGauge, Transfer},
    upload::UploadInFlight,
};

/// The content type of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Statuses are counted by their first digit, 2 to 5.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Everything that is counted. Clones count into the same counters.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<ServerCounters>);

#[derive(Debug)]
struct ServerCounters {
    registry: Registry,
    requests: [[IntCounter; CLASSES.len()]; Kind::ALL.len()],
    downloads: DownloadCounters,
    connections: [IntGauge; Transport::ALL.len()],
    narinfo_hits: IntCounter,
    narinfo_misses: IntCounter,
    refused: IntCounter,
    uploads: UploadMetrics,
    /// Filled in when they are asked for; locked, so that two readers do not count twice.
    observed: Mutex<ObservedMetrics>,
}

impl Metrics {
    /// All counters at zero.
    pub(crate) fn new() -> Self {
        let build = Build::new();
        let requests = build.counters(
            "rust_nix_serve_requests_total",
            "Requests by the kind of object and the class of the answer's status.",
            &["kind", "status"],
        );
        let bytes = build.counters(
            "rust_nix_serve_response_bytes_total",
            "Bytes of bodies handed to the network, by the kind of object.",
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
        build.constants();
        Self(Arc::new(ServerCounters {
            requests: Kind::ALL.map(|kind| {
                CLASSES.map(|class| requests.with_label_values(&[kind.label(), class]))
            }),
            downloads: DownloadCounters {
                bytes: Arc::new(Kind::ALL.map(|kind| bytes.with_label_values(&[kind.label()]))),
                aborted: Arc::new(
                    AbortCause::ALL.map(|cause| aborted.with_label_values(&[cause.label()])),
                ),
                in_flight: build.gauge(
                    "rust_nix_serve_downloads_in_flight",
                    "NARs, logs and files that are being streamed.",
                ),
            },
            connections: Transport::ALL
                .map(|transport| connections.with_label_values(&[transport.label()])),
            narinfo_hits: lookups.with_label_values(&["hit"]),
            narinfo_misses: lookups.with_label_values(&["miss"]),
            refused: build.counter(
                "rust_nix_serve_credentials_refused_total",
                "Requests with a credential that was not good.",
            ),
            uploads: UploadMetrics::new(&build),
            observed: Mutex::new(ObservedMetrics::new(&build)),
            registry: build.registry(),
        }))
    }

    /// Counts an answer to a request that was none for reading.
    pub(crate) fn ordered(&self, kind: Kind, status: u16) {
        let class = usize::from(status / 100).saturating_sub(2).min(CLASSES.len() - 1);
        if let Some(counter) = self.0.requests.get(kind.index()).and_then(|row| row.get(class)) {
            counter.inc();
        }
    }

    /// Counts an answer, and for a narinfo whether it was found.
    pub(crate) fn answered(&self, kind: Kind, status: u16) {
        self.ordered(kind, status);
        if kind == Kind::NarInfo {
            match status {
                200 | 304 => self.0.narinfo_hits.inc(),
                404 => self.0.narinfo_misses.inc(),
                _ => {}
            }
        }
    }

    /// Answers given so far.
    pub(crate) fn answered_so_far(&self) -> u64 {
        self.0.requests.iter().flatten().map(IntCounter::get).sum()
    }

    /// Counts a credential that was not good.
    pub(crate) fn refused(&self) {
        self.0.refused.inc();
    }

    /// Counts bytes of a body that was not streamed.
    pub(crate) fn bytes(&self, kind: Kind, bytes: usize) {
        self.0.downloads.add_bytes(kind, bytes);
    }

    /// A download that starts; it ends when the value is dropped.
    pub(crate) fn transfer(&self, kind: Kind) -> Transfer {
        Transfer::start(self.0.downloads.clone(), kind)
    }

    /// An upload that is taken until the value is dropped.
    pub(crate) fn upload(&self, kind: Kind) -> UploadInFlight {
        self.0.uploads.begin(kind)
    }

    /// Counts an upload that was refused.
    pub(crate) fn upload_refused(&self, reason: RefusedUpload) {
        self.0.uploads.refused(reason);
    }

    /// A connection that is open until the value is dropped.
    pub(crate) fn connection(&self, transport: Transport) -> ConnectionGauge {
        ConnectionGauge::open(self.0.connections.get(transport.index()))
    }

    /// How many downloads run.
    pub(crate) fn downloads(&self) -> u64 {
        u64::try_from(self.0.downloads.in_flight.get()).unwrap_or(0)
    }

    /// How many connections are open.
    pub(crate) fn connections(&self, transport: Transport) -> u64 {
        let gauge = self.0.connections.get(transport.index());
        gauge.map_or(0, |gauge| u64::try_from(gauge.get()).unwrap_or(0))
    }

    /// Everything, in the text format of Prometheus.
    pub(crate) fn render(&self, observed: &Observed) -> String {
        let metrics = self.0.observed.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.fill(observed);
        let mut text = Vec::with_capacity(16 << 10);
        if let Err(err) = TextEncoder::new().encode(&self.0.registry.gather(), &mut text) {
            tracing::error!(%err, "cannot write the metrics");
        }
        String::from_utf8(text).unwrap_or_default()
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
