//! How often a collector works, and how often it says something.

use std::time::{Duration, Instant, SystemTime};

use rns_storage::{
    collect::{CollectError, Collected, collect},
    retention::Retention,
    write::Storage,
};

use super::stats::SharedStats;

/// How long a collection that failed, or found nothing to remove at a limit, is waited for again.
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(60);

/// How often the operator is told the same.
const COLLECTOR_NOTICE_INTERVAL: Duration = Duration::from_secs(3600);

/// A limit that cannot be kept takes at most one part in so many of the time.
const REST: u32 = 4;

/// Times are kept in whole seconds.
const ONE_SECOND: Duration = Duration::from_secs(1);

/// The pause after a collection that did not make enough room: until the next path is old enough to go, within bounds.
pub(super) fn pause_after(done: &Collected) -> Duration {
    let first = done.preview.plan.first_aged.map(|at| {
        let left = at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        left.saturating_add(ONE_SECOND)
    });
    first.map_or(RETRY_DELAY, |first| first.min(RETRY_DELAY)).max(done.took * REST)
}

/// Collects, unless another process does. A failure is counted, and a pause begins.
pub(super) async fn collect_unless_busy(
    storage: &Storage,
    retention: &Retention,
    stats: &SharedStats,
    idle_until: &mut Option<Instant>,
) -> Result<Option<Collected>, CollectError> {
    match collect(storage, retention, &|_| ()).await {
        Ok(done) => {
            stats.collected(&done);
            Ok(Some(done))
        }
        Err(CollectError::Busy) => Ok(None),
        Err(error) => {
            stats.failed();
            *idle_until = Some(Instant::now() + RETRY_DELAY);
            Err(error)
        }
    }
}

/// The rest of a pause. `None`: it is over.
pub(super) fn remaining(until: Option<Instant>) -> Option<Duration> {
    until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Whether it is time to tell the operator again; then it counts as told.
pub(super) fn is_due(told: &mut Option<Instant>) -> bool {
    let is_due = told.is_none_or(|told| told.elapsed() > COLLECTOR_NOTICE_INTERVAL);
    if is_due {
        *told = Some(Instant::now());
    }
    is_due
}
