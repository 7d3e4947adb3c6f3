//! Attempts of a request, and the pauses between them.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::error::Failure;

/// The attempts of a request, and the pauses between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, at least one.
    pub attempts: u32,
    /// The pause after the first attempt; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause that is chosen here.
    pub longest_pause: Duration,
    /// The longest pause that a cache may ask for; a longer one ends the attempts.
    pub longest_wish: Duration,
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
    /// The pause before the next attempt, after so many of them. `None`: that was the last.
    ///
    /// The pause is random up to its bound, so that many clients of a cache that was away do not come back at once.
    pub(crate) fn pause(&self, failure: &Failure, attempts: u32) -> Option<Duration> {
        if !failure.is_transient() || attempts >= self.attempts {
            return None;
        }
        let bound = self.first_pause.saturating_mul(2_u32.saturating_pow(attempts - 1));
        let jitter = bound.min(self.longest_pause).mul_f64(fraction());
        match failure.retry_after() {
            Some(wish) if wish > self.longest_wish => None,
            Some(wish) => Some(wish + jitter),
            None => Some(jitter),
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

    fn busy(seconds: u64) -> Failure {
        Failure::RateLimited { retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_cache_that_asks_to_wait_is_waited_for() {
        let policy = RetryPolicy::default();
        let pause = policy.pause(&busy(7), 1).unwrap();
        assert!(pause >= Duration::from_secs(7) && pause <= Duration::from_secs(8), "{pause:?}");
        assert_eq!(policy.pause(&busy(3600), 1), None, "that is too long");
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_attempts_end() {
        let policy = RetryPolicy { attempts: 20, ..RetryPolicy::default() };
        let cut = Failure::Cut(String::new());
        for attempts in 1..20 {
            let bound = policy.first_pause * 2_u32.pow(attempts - 1);
            let pause = policy.pause(&cut, attempts).unwrap();
            assert!(pause <= bound.min(policy.longest_pause), "{attempts}: {pause:?}");
        }
        assert_eq!(policy.pause(&cut, 20), None);
        assert_eq!(policy.pause(&Failure::Unauthorised(WrongCredential::Unknown), 1), None);
        let full = Failure::Server { status: 507, text: String::new(), retry_after: None };
        assert_eq!(policy.pause(&full, 1), None);
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(retry_after("Fri, 06 Nov 2399 08:49:37 GMT").unwrap() > Duration::from_secs(1));
        assert_eq!(retry_after("soon"), None);
    }
}
