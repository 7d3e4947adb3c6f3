//! The outcome of one check.

use crate::Finding;

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong; what was seen, in a few words.
    Sound(String),
    /// Something is wrong.
    Wrong(Vec<Finding>),
    /// It could not be seen; the reason.
    Unchecked(String),
    /// There is nothing to look at: no TLS without `https`.
    NotApplicable,
}

impl Outcome {
    /// The outcome with these findings; `sound` is what was seen if there are none.
    pub fn of(findings: Vec<Finding>, sound: impl Into<String>) -> Self {
        if findings.is_empty() { Self::Sound(sound.into()) } else { Self::Wrong(findings) }
    }

    /// The outcome with one finding.
    #[must_use]
    pub fn wrong(finding: Finding) -> Self {
        Self::Wrong(vec![finding])
    }
}
