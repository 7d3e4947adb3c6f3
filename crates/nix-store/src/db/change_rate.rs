//! How often the database changes.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// With more changes than these within [`RATE_INTERVAL`], the rate is high.
const MAX_CHANGES: usize = 4;

const RATE_INTERVAL: Duration = Duration::from_secs(1);

/// The changes that were seen lately.
pub(super) struct ChangeRate {
    started: Instant,
    /// When the last changes were seen, the oldest first.
    seen: Mutex<[Option<Instant>; MAX_CHANGES]>,
    /// Until when the rate is high, in milliseconds after `started`.
    high_until: AtomicU64,
}

impl Default for ChangeRate {
    fn default() -> Self {
        Self { started: Instant::now(), seen: Mutex::default(), high_until: AtomicU64::new(0) }
    }
}

impl ChangeRate {
    /// A change was seen.
    pub(super) fn note(&self) {
        self.note_at(Instant::now());
    }

    fn note_at(&self, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let [oldest, ..] = *seen;
        seen.rotate_left(1);
        let [.., newest] = &mut *seen;
        *newest = Some(now);
        if oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) < RATE_INTERVAL) {
            self.high_until.store(self.millis(now + RATE_INTERVAL), Ordering::Relaxed);
        }
    }

    /// Whether there were many changes within the last second.
    pub(super) fn is_high(&self) -> bool {
        // It is asked for each request, and a store is mostly quiet: then no clock is read.
        self.high_until.load(Ordering::Relaxed) != 0 && self.is_high_at(Instant::now())
    }

    fn is_high_at(&self, now: Instant) -> bool {
        self.millis(now) < self.high_until.load(Ordering::Relaxed)
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_changes_are_not_many_and_many_are_for_a_second() {
        let rate = ChangeRate::default();
        let at = |millis| rate.started + Duration::from_millis(millis);
        for millis in [0, 100, 200, 300] {
            rate.note_at(at(millis));
            assert!(!rate.is_high_at(at(millis)));
        }
        rate.note_at(at(400));
        assert!(rate.is_high_at(at(400)) && rate.is_high_at(at(1300)));
        assert!(!rate.is_high_at(at(1500)));
        // One change in a second is no burst.
        for millis in [3000, 4000, 5000, 6000, 7000, 8000] {
            rate.note_at(at(millis));
            assert!(!rate.is_high_at(at(millis)));
        }
    }
}
