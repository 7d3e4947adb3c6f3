//! Caches with a policy of exposure.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};
use rns_cache::ExposureStats;

use super::build::{Build, signed};

/// Labelled with the names that caches have in the configuration; the one without a name has an empty label.
const EXPOSURE_LABELS: &[&str] = &["cache"];

#[derive(Debug)]
pub(super) struct ExposureMetrics {
    exposed: IntGaugeVec,
    withheld: IntGaugeVec,
    roots_missing: IntGaugeVec,
    evaluations: IntCounterVec,
    last: GaugeVec,
}

impl ExposureMetrics {
    pub(super) fn new(build: &Build) -> Self {
        Self {
            exposed: build.gauges(
                "rust_nix_serve_exposed_paths",
                "Store paths that a cache with a policy of exposure shows.",
                EXPOSURE_LABELS,
            ),
            withheld: build.gauges(
                "rust_nix_serve_withheld_paths",
                "Store paths that are not shown because of their references.",
                EXPOSURE_LABELS,
            ),
            roots_missing: build.gauges(
                "rust_nix_serve_missing_roots",
                "Configured roots that lead to no valid store path.",
                EXPOSURE_LABELS,
            ),
            evaluations: build.counters(
                "rust_nix_serve_exposure_evaluations_total",
                "Evaluations of the policy of exposure that found a change.",
                EXPOSURE_LABELS,
            ),
            last: build.floats(
                "rust_nix_serve_exposure_evaluation_seconds",
                "Duration of the last evaluation of the policy of exposure.",
                EXPOSURE_LABELS,
            ),
        }
    }

    pub(super) fn fill(&self, exposures: &[(String, ExposureStats)]) {
        // Caches that are gone are not shown.
        self.exposed.reset();
        self.withheld.reset();
        self.roots_missing.reset();
        self.evaluations.reset();
        self.last.reset();
        for (cache, numbers) in exposures {
            let label: &[&str] = &[cache];
            self.exposed.with_label_values(label).set(signed(numbers.exposed));
            self.withheld.with_label_values(label).set(signed(numbers.withheld));
            self.roots_missing.with_label_values(label).set(signed(numbers.roots_missing));
            self.evaluations.with_label_values(label).inc_by(numbers.evaluations);
            self.last.with_label_values(label).set(numbers.last_evaluation.as_secs_f64());
        }
    }
}
