//! Signs of life of work that must not hang silently.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::sleep;

/// The time between two signs of life of a pause, which ends by itself.
const PAUSE_SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// The last sign of life of some work. Clones are about the same work, which is idle until it begins.
#[derive(Clone, Debug, Default)]
pub struct Liveness(Arc<Mutex<Option<Instant>>>);

impl Liveness {
    /// The work begins.
    pub fn begin(&self) {
        *self.lock() = Some(Instant::now());
    }

    /// The work goes on. Idle work stays so.
    pub fn note(&self) {
        let mut last = self.lock();
        if last.is_some() {
            *last = Some(Instant::now());
        }
    }

    /// The work is idle from now on.
    pub fn end(&self) {
        *self.lock() = None;
    }

    /// The time since the last sign of life; `None` while the work is idle.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        self.lock().map(|last| last.elapsed())
    }

    /// Waits for so long, which is no silence.
    pub(crate) async fn pause(&self, mut length: Duration) {
        while !length.is_zero() {
            let part = length.min(PAUSE_SIGN_INTERVAL);
            self.note();
            sleep(part).await;
            length -= part;
        }
        self.note();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
