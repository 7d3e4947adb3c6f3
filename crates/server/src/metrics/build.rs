//! Makes metrics and registers them.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

/// Names and labels are constants, so that making and registering cannot fail.
pub(super) struct Build(Registry);

#[expect(clippy::expect_used, reason = "names and labels are constants, tried by every test run")]
impl Build {
    pub(super) fn new() -> Self {
        Self(Registry::new())
    }

    pub(super) fn registry(self) -> Registry {
        self.0
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("a valid metric");
        self.0.register(Box::new(collector.clone())).expect("a name that is used once");
        collector
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn floats(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    pub(super) fn float(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    /// Metrics that never change.
    pub(super) fn constants(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = "Start time of the process since unix epoch in seconds.";
        self.float("process_start_time_seconds", start).set(now.as_secs_f64());
        let info = Opts::new("rust_nix_serve_build_info", "The version, as a label; always 1.");
        self.register(GaugeVec::new(info, &["version"]))
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
    }
}

/// A level as the library has it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Raises a counter to a number that is counted elsewhere.
pub(super) fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
