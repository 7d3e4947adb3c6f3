//! What a store counts.

use crate::{LocalStore, daemon::Unrooted, nar_cache::NarCacheStats};

/// Counters and levels of a store, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct StoreStats {
    /// Memory of cached NAR layouts, in bytes.
    pub layout_bytes: u64,
    /// NARs whose layout was in memory.
    pub layout_hits: u64,
    /// NARs whose tree had to be walked.
    pub layout_misses: u64,
    /// How often a path was found damaged.
    pub damaged: u64,
    /// Questions to the database.
    pub questions: u64,
    /// Questions that the database did not answer.
    pub failures: u64,
    /// Paths held through the Nix daemon at the moment.
    pub held: u64,
    /// Downloads whose path was held.
    pub rooted: u64,
    /// Downloads that went on without, by cause.
    pub unrooted: [(&'static str, u64); Unrooted::ALL.len()],
    /// Compressed NARs.
    pub nar_cache: NarCacheStats,
}

impl LocalStore {
    /// What is counted.
    #[must_use]
    pub fn numbers(&self) -> StoreStats {
        let (layout_bytes, layout_hits, layout_misses) = self.shared().layouts.numbers();
        let roots = &self.shared().roots;
        StoreStats {
            layout_bytes,
            layout_hits,
            layout_misses,
            damaged: self.shared().condition.damaged_so_far(),
            questions: self.shared().database.questions(),
            failures: self.shared().database.failures(),
            held: roots.held() as u64,
            rooted: roots.rooted(),
            unrooted: Unrooted::ALL.map(|cause| (cause.name(), roots.unrooted(cause))),
            nar_cache: self
                .shared()
                .nar_cache
                .as_ref()
                .map(|cache| cache.numbers())
                .unwrap_or_default(),
        }
    }
}
