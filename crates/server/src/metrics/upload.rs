//! Uploads that are counted while they last.

use prometheus::{IntCounter, IntGauge};

use super::{Kind, RefusedUpload, build::Build};

/// The counters of uploads.
#[derive(Debug)]
pub(super) struct UploadMetrics {
    in_flight: IntGauge,
    bytes: [IntCounter; Kind::ALL.len()],
    refused: [IntCounter; RefusedUpload::ALL.len()],
}

impl UploadMetrics {
    pub(super) fn new(build: &Build) -> Self {
        let bytes = build.counters(
            "rust_nix_serve_upload_bytes_total",
            "Bytes of bodies taken from clients, by the kind of thing uploaded.",
            &["kind"],
        );
        let refused = build.counters(
            "rust_nix_serve_uploads_refused_total",
            "Uploads that were refused to clients that may push, by reason.",
            &["reason"],
        );
        Self {
            in_flight: build.gauge(
                "rust_nix_serve_uploads_in_flight",
                "Uploads that are being taken from clients.",
            ),
            bytes: Kind::ALL.map(|kind| bytes.with_label_values(&[kind.label()])),
            refused: RefusedUpload::ALL.map(|reason| refused.with_label_values(&[reason.label()])),
        }
    }

    pub(super) fn begin(&self, kind: Kind) -> UploadInFlight {
        self.in_flight.inc();
        let bytes = self.bytes.get(kind.index()).cloned();
        UploadInFlight { in_flight: self.in_flight.clone(), bytes }
    }

    pub(super) fn refused(&self, reason: RefusedUpload) {
        if let Some(counter) = self.refused.get(reason.index()) {
            counter.inc();
        }
    }
}

/// An upload that is being taken.
#[derive(Debug)]
pub(crate) struct UploadInFlight {
    in_flight: IntGauge,
    bytes: Option<IntCounter>,
}

impl UploadInFlight {
    /// Counts bytes that have come.
    pub(crate) fn received(&self, bytes: usize) {
        if let Some(counter) = &self.bytes {
            counter.inc_by(bytes as u64);
        }
    }
}

impl Drop for UploadInFlight {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}
