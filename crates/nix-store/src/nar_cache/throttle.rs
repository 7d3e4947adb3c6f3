//! Compresses NARs that no client has asked for yet, without delaying others.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::encode_progress::EncodeProgress;

/// How often it is looked whether there is nothing else to do any more.
const IDLE_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Says whether requests are being answered at the moment. Asked often, so it must be cheap.
pub(crate) type BusyCheck = dyn Fn() -> bool + Send + Sync;

/// Work that rests as long as it works, and stands still while requests are answered. A request for its result makes it
/// ordinary work.
pub(super) struct Throttle<'a> {
    busy: Option<&'a BusyCheck>,
    production: &'a EncodeProgress,
    begun: Instant,
}

impl<'a> Throttle<'a> {
    /// Without `busy`, the work is ordinary work from the beginning.
    pub(super) fn new(busy: Option<&'a BusyCheck>, production: &'a EncodeProgress) -> Self {
        Self { busy, production, begun: Instant::now() }
    }

    /// Between two portions. Blocks.
    pub(super) fn rest(&mut self) {
        let Some(busy) = self.busy else { return };
        let until = Instant::now() + self.begun.elapsed();
        while !self.production.has_reader() && (busy() || Instant::now() < until) {
            let left = until.saturating_duration_since(Instant::now());
            thread::sleep(if left.is_zero() {
                IDLE_POLL_INTERVAL
            } else {
                left.min(IDLE_POLL_INTERVAL)
            });
        }
        self.begun = Instant::now();
    }
}
