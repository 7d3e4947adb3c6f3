//! Counts of the store.

use rns_cache::BackendStats;

use crate::{LocalStore, daemon::Unrooted};

impl LocalStore {
    /// The counts of all handles to the store together.
    #[must_use]
    pub fn numbers(&self) -> BackendStats {
        let (layout_bytes, layout_hits, layout_misses) = self.shared().layouts.numbers();
        let roots = &self.shared().roots;
        BackendStats {
            layout_bytes,
            layout_hits,
            layout_misses,
            damaged: self.shared().health.damaged_so_far(),
            questions: self.shared().database.questions(),
            failures: self.shared().database.failures(),
            rooted: roots.rooted(),
            unrooted: Unrooted::ALL.map(|cause| (cause.name(), roots.unrooted(cause))).to_vec(),
            ..BackendStats::default()
        }
    }
}
