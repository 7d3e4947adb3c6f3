//! How often an exposed set was brought up to date, and the requests for that.

use std::time::{Duration, Instant};

/// How often the set was brought up to date.
#[derive(Default)]
pub(super) struct Rounds {
    pub(super) begun: u64,
    /// Why the last time failed, if it did.
    pub(super) failure: Option<(String, &'static str)>,
    /// There is no room; until then nothing is tried.
    pub(super) pause: Option<Instant>,
    /// How often it was asked for that everything be read, and how many of these requests are met.
    pub(super) wanted_anew: u64,
    pub(super) met_anew: u64,
    /// When everything was read, how long that took, and the state of the database.
    pub(super) full: Option<(Instant, Duration, u64)>,
}

/// When a question was asked: the answer has to be of that moment or later.
#[derive(Clone, Copy)]
pub(crate) struct EvaluationRound(pub(super) u64);

/// A request that everything be read.
#[derive(Clone, Copy)]
pub(super) struct WantedEvaluation(pub(super) u64);
