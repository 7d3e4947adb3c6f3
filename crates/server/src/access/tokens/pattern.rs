//! Patterns of names of store paths.

use std::fmt;

/// A pattern of names of store paths: `*` is any text, `?` one character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing would match.
    #[error("the pattern is empty; `*` matches every name")]
    Empty,
    /// Nothing could match.
    #[error("no name contains {0:?}")]
    Character(char),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When no name could match.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"+-._?=*".contains(*c)) {
            Some(character) => Err(PatternError::Character(character)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
