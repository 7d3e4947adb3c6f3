//! The pace of a body: a client that sends next to nothing makes room for others that wait for its place.

use std::time::Duration;

/// The longest time that is measured over.
const MAX_INTERVAL: Duration = Duration::from_secs(20);

/// The bytes that come in each interval while others wait: 3 KiB a second, which every line has.
const MIN_BYTES: usize = 64 << 10;

/// The pace of a body. Only the time counts in which the server waits for the client.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    waited: Duration,
    bytes: usize,
}

impl Pace {
    /// Of a body that may stand still for so long while none waits.
    pub(super) fn new(stall_timeout: Duration) -> Self {
        let interval = MAX_INTERVAL.min(stall_timeout / 4);
        Self { interval, waited: Duration::ZERO, bytes: 0 }
    }

    /// How long to wait before the next look.
    pub(super) const fn left(&self) -> Duration {
        self.interval.saturating_sub(self.waited)
    }

    /// The client was waited for, and so many bytes came.
    pub(super) fn waited(&mut self, time: Duration, bytes: usize) {
        self.waited += time;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Returns false after an interval in which too little has come. Then the next one begins.
    pub(super) fn is_enough(&mut self) -> bool {
        if !self.left().is_zero() {
            return true;
        }
        let is_enough = self.bytes >= MIN_BYTES;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_needs_its_bytes() {
        let mut pace = Pace::new(Duration::from_secs(900));
        pace.waited(MAX_INTERVAL / 2, MIN_BYTES - 1);
        assert!(pace.is_enough(), "it goes on");
        pace.waited(MAX_INTERVAL / 2, 1);
        assert!(pace.is_enough());
        assert_eq!(pace.left(), MAX_INTERVAL);
        pace.waited(MAX_INTERVAL, MIN_BYTES - 1);
        assert!(!pace.is_enough());
        assert_eq!(Pace::new(Duration::from_secs(8)).left(), Duration::from_secs(2));
    }
}
