//! So much in a second, with a burst of a second's worth.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The amount that may be used at once after a pause, as the time that it would take.
const MAX_BURST_TIME: Duration = Duration::from_secs(1);

/// A rate that many share. A caller that takes something learns how long to wait before going on; later ones wait longer.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u64,
    started: Instant,
    /// When everything that was taken will have been paid for, in nanoseconds on the clock of [`Self::now`].
    paid: AtomicU64,
}

impl Rate {
    /// At least one in a second.
    pub(crate) fn new(per_second: u64) -> Self {
        Self { per_second: per_second.max(1), started: Instant::now(), paid: AtomicU64::new(0) }
    }

    /// Takes so many, and says how long to wait before going on. `None`, and nothing is taken, if that would be longer
    /// than `most`.
    pub(crate) fn take(&self, units: u64, most: Duration) -> Option<Duration> {
        let now = self.now();
        let cost = u128::from(units) * 1_000_000_000 / u128::from(self.per_second);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let mut wait = Duration::ZERO;
        let taken = self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
            // An amount that was not used for longer than the burst is lost.
            let begin = paid.max(now.saturating_sub(nanoseconds(MAX_BURST_TIME)));
            wait = Duration::from_nanos(begin.saturating_sub(now));
            (wait <= most).then(|| begin.saturating_add(cost))
        });
        taken.ok().map(|_| wait)
    }

    /// Nanoseconds on a clock that is a burst ahead at the start, so that there is one to be used.
    fn now(&self) -> u64 {
        nanoseconds(self.started.elapsed().saturating_add(MAX_BURST_TIME))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_what_follows_waits_in_order() {
        let rate = Rate::new(2);
        for _ in 0..2 {
            assert_eq!(rate.take(1, Duration::MAX), Some(Duration::ZERO));
        }
        // The one that uses up the burst is still free; those behind it are not.
        rate.take(1, Duration::MAX);
        let waits = [(); 3].map(|()| rate.take(1, Duration::MAX).unwrap());
        assert!(waits[0] > Duration::ZERO && waits.is_sorted(), "{waits:?}");
        assert!(waits[2] <= Duration::from_millis(1500), "{waits:?}");
    }

    #[test]
    fn what_would_wait_for_too_long_is_not_taken() {
        let rate = Rate::new(1);
        let most = Duration::from_secs(5);
        let taken = (0..1000).filter(|_| rate.take(1, most).is_some()).count();
        assert!((6..=8).contains(&taken), "{taken}");
        assert!(rate.take(1, Duration::MAX).unwrap() <= Duration::from_secs(8));
    }
}
