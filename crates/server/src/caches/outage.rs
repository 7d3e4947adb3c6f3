//! Outages that last. Clients are told to try again while one is young, and to go elsewhere when it is not.
//!
//! Nix asks again five times after a 503, for each path and more than once, and old versions then give up altogether, though
//! another cache has the path. After a 501 it asks no more, and remembers nothing. Figures are in the decision about it.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::http::StatusCode;

use crate::response::Answer;

/// After this time an outage is no restart, and no key that is about to be there. Longer than Nix tries.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(10);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Since when one kind of question cannot be answered.
#[derive(Debug, Default)]
pub(crate) struct QuestionOutage {
    /// Milliseconds since the start and one more; 0 while there is none.
    since: AtomicU64,
}

impl QuestionOutage {
    /// Learns from an answer whether there is an outage, and turns a refusal by one that lasts into a final one.
    pub(crate) fn learn(&self, answer: Answer) -> Answer {
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            self.begin();
        } else {
            self.end();
        }
        self.finally(answer)
    }

    /// The same for an answer from which nothing is to be learnt.
    pub(crate) fn finally(&self, mut answer: Answer) -> Answer {
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE && self.is_standing() {
            *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
        }
        answer
    }

    /// Whether there is one that lasts.
    pub(crate) fn is_standing(&self) -> bool {
        let since = self.since.load(Ordering::Acquire);
        since != 0 && u128::from(now().saturating_sub(since)) >= OUTAGE_TIMEOUT.as_millis()
    }

    /// Whether there is one, as far as is known.
    pub(crate) fn is_on(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }

    /// There is one. Returns whether it was not known yet.
    pub(crate) fn begin(&self) -> bool {
        self.since.compare_exchange(0, now(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// It is over.
    pub(crate) fn end(&self) {
        if self.is_on() {
            self.since.store(0, Ordering::Release);
        }
    }
}

fn now() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}
