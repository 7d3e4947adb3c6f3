//! The events of a push, and its result.

use rns_formats::PathInfo;

use crate::error::PushError;

/// The outcome for a path.
#[derive(Debug)]
pub enum PathOutcome {
    /// It was uploaded and acknowledged; so many bytes were sent for its NAR.
    Pushed(u64),
    /// It was there.
    Present,
    /// An upstream has it.
    Upstream,
    /// It did not get through.
    Failed(PushError),
}

/// An event during a push.
#[derive(Debug)]
pub enum PushEvent<'a> {
    /// So many paths, with so many bytes of NARs, are to be uploaded.
    Planned(usize, u64),
    /// This became of a path.
    Settled(&'a PathInfo, &'a PathOutcome),
}

/// The result of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Paths that were uploaded.
    pub pushed: usize,
    /// Bytes that were sent for their NARs.
    pub bytes: u64,
    /// Paths that were there.
    pub present: usize,
    /// Paths that an upstream has.
    pub upstream: usize,
    /// Paths that did not get through.
    pub failed: usize,
    /// Listings, logs and realisations that were sent.
    pub documents: usize,
    /// True if the target could not be reached.
    pub is_unreachable: bool,
}

pub(crate) type Observe<'a> = &'a (dyn Fn(&PushEvent<'_>) + Sync);
