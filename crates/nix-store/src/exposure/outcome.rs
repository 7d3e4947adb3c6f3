//! The outcome of an evaluation.

use crate::CacheError;

/// Why there is no set.
#[derive(Debug)]
pub(super) enum EvaluationFailure {
    Store(CacheError),
    /// There is no room for it.
    TooMany,
}

impl From<CacheError> for EvaluationFailure {
    fn from(error: CacheError) -> Self {
        Self::Store(error)
    }
}

/// The change of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetChange {
    None,
    /// There are more paths than before.
    Grown {
        /// Whether there may be derivations among them.
        derivations: bool,
    },
    /// Anything.
    Other,
}
