//! Attempts of a request, and the pauses between them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use tokio::time::Instant;

use crate::{error::RequestFailure, liveness::Liveness};

/// The attempts of a request, and the pauses between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, at least one.
    pub attempts: u32,
    /// The pause after the first attempt; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause that is chosen here.
    pub longest_pause: Duration,
    /// The longest time that a cache may ask for, in one pause and in all pauses of a request for a rate limit together; more
    /// ends the attempts.
    pub longest_wish: Duration,
}

/// Pauses from this length on that a rate limit asks for are no failed attempts. Without any, the attempts would have no end.
const MIN_WISH: Duration = Duration::from_secs(1);

/// The attempts so far for one request.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    attempts: u32,
    /// The pauses that rate limits have asked for, together.
    waited: Duration,
}

impl Default for RetryPolicy {
    /// Five attempts within half a minute or so; a cache may ask for five minutes.
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            longest_wish: Duration::from_secs(300),
        }
    }
}

impl RetryPolicy {
    /// The pause before the next attempt, after one that failed. `None`: that was the last.
    ///
    /// The pause is random up to its bound, so that many clients of a cache that was away do not come back at once.
    pub(crate) fn pause(&self, failure: &RequestFailure, tried: &mut Tried) -> Option<Duration> {
        if !failure.is_transient() {
            return None;
        }
        let wish = failure.retry_after();
        if wish.is_some_and(|wish| wish > self.longest_wish) {
            return None;
        }
        // A cache that says when it takes more has not failed.
        if let (RequestFailure::RateLimited { .. }, Some(wish)) = (failure, wish)
            && wish >= MIN_WISH
        {
            tried.waited += wish;
            let jitter = self.first_pause.mul_f64(fraction());
            return (tried.waited <= self.longest_wish).then_some(wish + jitter);
        }
        tried.attempts += 1;
        if tried.attempts >= self.attempts {
            return None;
        }
        let bound = self.first_pause.saturating_mul(2_u32.saturating_pow(tried.attempts - 1));
        let jitter = bound.min(self.longest_pause).mul_f64(fraction());
        Some(wish.unwrap_or_default() + jitter)
    }

    /// The time for which a cache wants to be left alone altogether.
    pub(crate) fn rest(&self, failure: &RequestFailure) -> Option<Duration> {
        failure.retry_after().filter(|wish| *wish <= self.longest_wish)
    }
}

/// The time until which a cache is left alone: all requests to it share that.
#[derive(Debug, Default)]
pub(crate) struct Rest(Mutex<Option<Instant>>);

impl Rest {
    /// Nothing is sent for so long.
    pub(crate) fn take(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.is_none_or(|known| known < until) {
            *rest = Some(until);
        }
    }

    /// Waits until the rest is over.
    pub(crate) async fn over(&self, liveness: &Liveness) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                // It may have become longer meanwhile.
                Some(until) if until > Instant::now() => {
                    liveness.pause(until - Instant::now()).await;
                }
                _ => return,
            }
        }
    }
}

/// A number between 0 and 1, both included.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness, the whole pause is waited for.
    if getrandom::fill(&mut bytes).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// The value of the header `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    let pause = date - OffsetDateTime::now_utc();
    Some(Duration::try_from(pause).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::WrongCredential;

    fn busy(seconds: u64) -> RequestFailure {
        RequestFailure::RateLimited { retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_cache_that_asks_to_wait_is_waited_for() {
        let policy = RetryPolicy::default();
        let mut tried = Tried::default();
        let pause = policy.pause(&busy(7), &mut tried).unwrap();
        assert!(pause >= Duration::from_secs(7) && pause <= Duration::from_secs(8), "{pause:?}");
        assert_eq!(policy.pause(&busy(3600), &mut tried), None, "that is too long");
        assert_eq!(policy.pause(&busy(u64::MAX), &mut tried), None);
    }

    #[test]
    fn a_rate_limit_is_waited_out_for_as_long_as_a_cache_may_ask() {
        let policy = RetryPolicy::default();
        let (mut tried, mut pauses) = (Tried::default(), 0);
        while policy.pause(&busy(10), &mut tried).is_some() {
            pauses += 1;
        }
        assert_eq!(pauses, 30, "five minutes in all, not five attempts");
        let (mut tried, mut pauses) = (Tried::default(), 0);
        while policy.pause(&busy(0), &mut tried).is_some() {
            pauses += 1;
        }
        assert_eq!(pauses, 4, "no pause is asked for, so that attempts count");
    }

    #[tokio::test]
    async fn all_requests_rest_when_one_is_told_to() {
        let rest = Rest::default();
        rest.over(&Liveness::default()).await;
        let begun = Instant::now();
        rest.take(Duration::from_millis(90));
        rest.take(Duration::from_millis(30));
        rest.over(&Liveness::default()).await;
        assert!(begun.elapsed() >= Duration::from_millis(90));
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_attempts_end() {
        let policy = RetryPolicy { attempts: 20, ..RetryPolicy::default() };
        let cut = RequestFailure::Cut(String::new());
        let mut tried = Tried::default();
        for attempts in 1..20 {
            let bound = policy.first_pause * 2_u32.pow(attempts - 1);
            let pause = policy.pause(&cut, &mut tried).unwrap();
            assert!(pause <= bound.min(policy.longest_pause), "{attempts}: {pause:?}");
        }
        assert_eq!(policy.pause(&cut, &mut tried), None);
        let mut tried = Tried::default();
        assert_eq!(
            policy.pause(&RequestFailure::Unauthorised(WrongCredential::Unknown), &mut tried),
            None
        );
        let full = RequestFailure::Server { status: 507, text: String::new(), retry_after: None };
        assert_eq!(policy.pause(&full, &mut tried), None);
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(retry_after("Fri, 06 Nov 2399 08:49:37 GMT").unwrap() > Duration::from_secs(1));
        assert_eq!(retry_after("soon"), None);
    }
}
