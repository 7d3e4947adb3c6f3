//! The outcome of one check.

use crate::Finding;

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong; the facts, in a few words.
    Sound(String),
    /// Nothing is wrong, and something could be better: the facts, and the line that makes it so.
    Hint {
        /// The facts, a sentence without its full stop.
        what: String,
        /// The line that makes it better.
        mend: String,
    },
    /// Something is wrong.
    Wrong(Vec<Finding>),
    /// It could not be seen; the reason.
    Unchecked(String),
    /// There is nothing to look at: no TLS without `https`.
    NotApplicable,
}

impl Outcome {
    /// The outcome with these findings; `sound` has the facts if there are none.
    pub fn of(findings: Vec<Finding>, sound: impl Into<String>) -> Self {
        if findings.is_empty() { Self::Sound(sound.into()) } else { Self::Wrong(findings) }
    }

    /// The outcome with one finding.
    #[must_use]
    pub fn wrong(finding: Finding) -> Self {
        Self::Wrong(vec![finding])
    }
}
