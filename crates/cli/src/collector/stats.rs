//! Numbers of the collector, for metrics and the log.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use rns_cache::{DiskRoom, RetentionStats};
use rns_storage::collect::{Collected, DocumentPlan, Plan, Preview, Reason};

/// The numbers of the collector, shared with the metrics.
#[derive(Debug, Default)]
pub(crate) struct SharedStats(Mutex<RetentionStats>);

impl SharedStats {
    /// The numbers as they are now.
    pub(crate) fn get(&self) -> RetentionStats {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, RetentionStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn planned(stats: &mut RetentionStats, plan: &Plan) {
        let kept = Reason::ALL.iter().zip(&plan.kept);
        stats.kept = kept.map(|(reason, kept)| (reason.label(), kept.paths, kept.bytes)).collect();
    }

    fn documents(stats: &mut RetentionStats, plan: &DocumentPlan) {
        stats.kept_documents =
            plan.kept.by_kind().map(|(kind, count)| (kind.label(), count)).collect();
    }

    /// Everything was looked at, and nothing removed.
    pub(super) fn measured(&self, found: &Preview) {
        let mut stats = self.lock();
        Self::planned(&mut stats, &found.plan);
        Self::documents(&mut stats, &found.documents);
        stats.stored_bytes = found.plan.present_bytes();
        stats.last_ended = Some(SystemTime::now());
        stats.last_duration = found.took;
    }

    /// A collection has ended.
    pub(super) fn collected(&self, done: &Collected) {
        let swept = done.swept;
        let documents = swept.documents.total();
        if swept.paths + swept.nars + documents > 0 {
            tracing::info!(
                paths = swept.paths,
                bytes = swept.bytes,
                documents,
                "a collection removed {} paths in {:.1} s, {} stay",
                swept.paths,
                done.took.as_secs_f64(),
                done.preview.plan.kept_amount().paths
            );
        }
        let mut stats = self.lock();
        Self::planned(&mut stats, &done.preview.plan);
        Self::documents(&mut stats, &done.preview.documents);
        stats.stored_bytes = done.preview.plan.present_bytes().saturating_sub(swept.bytes);
        stats.reclaimed_paths += swept.paths;
        stats.reclaimed_bytes += swept.bytes;
        for (kind, count) in swept.documents.by_kind() {
            *stats.reclaimed_documents.entry(kind.label()).or_default() += count;
        }
        stats.runs += 1;
        stats.last_ended = Some(SystemTime::now());
        stats.last_duration = done.took;
    }

    /// A collection was cut off.
    pub(super) fn failed(&self) {
        self.lock().failures += 1;
    }

    /// When the next collection is due.
    pub(super) fn next(&self, due: Option<Instant>) {
        let now = Instant::now();
        self.lock().next = due.map(|due| SystemTime::now() + due.saturating_duration_since(now));
    }

    /// How many bytes of NARs there may be.
    pub(super) fn limited(&self, max_size: Option<u64>) {
        self.lock().max_size = max_size;
    }

    /// The paths that go first when room is needed.
    pub(super) fn first_to_go(&self, paths: Vec<(String, u64)>) {
        self.lock().first_to_go = paths;
    }

    /// The room on the disk of the storage, where some is kept free.
    pub(super) fn disk(&self, room: Option<DiskRoom>) {
        self.lock().disk = room;
    }

    /// The bytes that collections have removed.
    pub(super) fn reclaimed(&self) -> u64 {
        self.lock().reclaimed_bytes
    }

    /// The bytes of NARs that there are.
    pub(super) fn stored(&self, bytes: u64) {
        self.lock().stored_bytes = bytes;
    }
}
