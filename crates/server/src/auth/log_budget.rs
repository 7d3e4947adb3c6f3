//! How many refusals are logged: so many altogether, and so many of one network, so that a client that fails often does not
//! keep the others out of the log.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

/// Lines in one burst, and one more each so often.
#[derive(Clone, Copy)]
struct LineRate {
    burst: u32,
    refill: Duration,
}

const RATE_OF_ALL: LineRate = LineRate { burst: 20, refill: Duration::from_secs(2) };
const RATE_OF_ONE: LineRate = LineRate { burst: 10, refill: Duration::from_secs(10) };

/// Networks that are told apart at the same time.
const MAX_NETWORKS: usize = 1024;

/// The lines that may still be logged.
pub(super) struct LogBudget {
    all: Mutex<Lines>,
    of_one: Cache<Option<IpAddr>, Arc<Mutex<Lines>>>,
    swallowed: AtomicU64,
}

impl LogBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            all: Mutex::new(Lines::new(RATE_OF_ALL, now)),
            of_one: Cache::new(MAX_NETWORKS),
            swallowed: AtomicU64::new(0),
        }
    }

    /// Whether one more line about this network may be logged, and how many lines were not since the last one.
    pub(super) fn take(&self, network: Option<IpAddr>, now: Instant) -> Option<u64> {
        let made = self.of_one.get_or_insert_with(&network, || {
            Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Lines::new(RATE_OF_ONE, now))))
        });
        let Ok(of_one) = made;
        if take(&of_one, now) && take(&self.all, now) {
            return Some(self.swallowed.swap(0, Ordering::Relaxed));
        }
        self.swallowed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

struct Lines {
    pace: LineRate,
    left: u32,
    since: Instant,
}

impl Lines {
    const fn new(pace: LineRate, now: Instant) -> Self {
        Self { pace, left: pace.burst, since: now }
    }
}

fn take(lines: &Mutex<Lines>, now: Instant) -> bool {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    let LineRate { burst, refill } = lines.pace;
    let more = now.saturating_duration_since(lines.since).as_millis() / refill.as_millis();
    if more > 0 {
        lines.left = lines.left.saturating_add(u32::try_from(more).unwrap_or(burst)).min(burst);
        lines.since = now;
    }
    let may = lines.left > 0;
    lines.left = lines.left.saturating_sub(1);
    may
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_client_that_fails_all_the_time_does_not_keep_others_out_of_the_log() {
        let start = Instant::now();
        let budget = LogBudget::new(start);
        let flood = |now| (0..1000).filter(|_| budget.take(address(1), now).is_some()).count();
        assert_eq!(flood(start), 10);
        assert_eq!(budget.take(address(2), start), Some(990));
        assert_eq!(budget.take(None, start), Some(0));
        for seconds in 1..600 {
            let now = start + Duration::from_secs(seconds);
            flood(now);
            if seconds % 10 == 0 {
                assert!(budget.take(address(2), now).is_some(), "after {seconds} seconds");
            }
        }
    }

    #[test]
    fn many_together_are_bound_too() {
        let start = Instant::now();
        let budget = LogBudget::new(start);
        let lines =
            |now| (0..=255).filter(|&last| budget.take(address(last), now).is_some()).count();
        assert_eq!(lines(start), 20);
        assert_eq!(lines(start + Duration::from_secs(4)), 2);
    }
}
