//! What a view counts.

use std::time::Duration;

/// Counters and levels of a restricted view, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExposureStats {
    /// Paths that are exposed.
    pub exposed: u64,
    /// Paths that fit the policy by themselves and are withheld because of what they refer to.
    pub withheld: u64,
    /// Configured roots that lead to no valid path.
    pub roots_missing: u64,
    /// How long the last evaluation took that found something new.
    pub last_evaluation: Duration,
    /// How many of these there were.
    pub evaluations: u64,
}
