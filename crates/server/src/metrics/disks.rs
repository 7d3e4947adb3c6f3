//! Disks of which a part is kept free.

use prometheus::IntGaugeVec;
use rns_cache::DiskRoom;

use super::build::{Build, signed};

/// The use of the disk: `storage` or `store`.
const DISK_LABELS: &[&str] = &["of"];

#[derive(Debug)]
pub(super) struct DiskMetrics {
    free: IntGaugeVec,
    keep_free: IntGaugeVec,
}

impl DiskMetrics {
    pub(super) fn new(build: &Build) -> Self {
        Self {
            free: build.gauges(
                "rust_nix_serve_disk_free_bytes",
                "Bytes that are free on a disk with a keep_free, when it was last looked.",
                DISK_LABELS,
            ),
            keep_free: build.gauges(
                "rust_nix_serve_disk_keep_free_bytes",
                "Bytes that keep_free keeps free on that disk.",
                DISK_LABELS,
            ),
        }
    }

    /// A disk whose rule has gone is shown no more.
    pub(super) fn fill(&self, disks: &[(&'static str, DiskRoom)]) {
        self.free.reset();
        self.keep_free.reset();
        for (of, room) in disks {
            self.free.with_label_values(&[of]).set(signed(room.free));
            self.keep_free.with_label_values(&[of]).set(signed(room.keep_free));
        }
    }
}
