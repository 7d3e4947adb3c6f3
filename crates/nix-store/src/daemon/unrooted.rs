//! Why a path is served without a root, and how often that happened.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a path is not held. It is served all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unrooted {
    /// The configuration says that there is no daemon.
    Disabled,
    /// Nothing listens at the daemon's socket.
    Absent,
    /// The daemon does not let us in, or does not want to hold this path.
    Refused,
    /// The daemon did not answer in time; perhaps it is deleting something.
    TimedOut,
    /// Too many downloads wait for the daemon already.
    Busy,
    /// The daemon cannot be understood, or the connection broke.
    Failed,
}

impl Unrooted {
    /// All causes, in the order of their declaration.
    pub const ALL: [Self; 6] =
        [Self::Disabled, Self::Absent, Self::Refused, Self::TimedOut, Self::Busy, Self::Failed];

    /// A short name, as it is used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

/// Counts of all requests to hold a path, since the start.
#[derive(Debug, Default)]
pub(super) struct HoldCounters {
    rooted: AtomicU64,
    disabled: AtomicU64,
    absent: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
    busy: AtomicU64,
    failed: AtomicU64,
}

impl HoldCounters {
    pub(super) fn count(&self, outcome: Result<(), Unrooted>) {
        self.of(outcome.err()).fetch_add(1, Ordering::Relaxed);
    }

    /// How often paths were held (`None`), or not held because of a cause.
    pub(super) fn read(&self, cause: Option<Unrooted>) -> u64 {
        self.of(cause).load(Ordering::Relaxed)
    }

    fn of(&self, cause: Option<Unrooted>) -> &AtomicU64 {
        match cause {
            None => &self.rooted,
            Some(Unrooted::Disabled) => &self.disabled,
            Some(Unrooted::Absent) => &self.absent,
            Some(Unrooted::Refused) => &self.refused,
            Some(Unrooted::TimedOut) => &self.timed_out,
            Some(Unrooted::Busy) => &self.busy,
            Some(Unrooted::Failed) => &self.failed,
        }
    }
}
