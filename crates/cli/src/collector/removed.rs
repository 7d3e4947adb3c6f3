//! Bytes that collections removed a moment ago: some file systems free them later, and those of a file that is being sent only
//! at its end.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long a disk may take to free removed files.
const FREE_DELAY: Duration = Duration::from_secs(60);

/// The bytes that were removed within [`FREE_DELAY`].
pub(super) struct Removed {
    /// All bytes that were ever removed, as they were last seen.
    total: u64,
    recent: VecDeque<(Instant, u64)>,
}

impl Removed {
    /// Counts from this total on.
    pub(super) const fn after(total: u64) -> Self {
        Self { total, recent: VecDeque::new() }
    }

    /// The bytes that were removed a moment ago, when so many were ever removed.
    pub(super) fn recently(&mut self, total: u64, at: Instant) -> u64 {
        let more = total.saturating_sub(self.total);
        if more > 0 {
            self.total = total;
            self.recent.push_back((at, more));
        }
        self.recent.retain(|(removed, _)| at.duration_since(*removed) < FREE_DELAY);
        self.recent.iter().map(|(_, bytes)| bytes).sum()
    }
}
