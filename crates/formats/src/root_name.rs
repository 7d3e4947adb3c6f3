//! Names of roots, which keep paths in a cache and say for which purpose.

use std::{fmt, sync::Arc};

/// The name of a root, such as `project/main` or `pr/123`.
///
/// One or more segments with slashes between them. A segment has letters, digits and `-_.+=@`, does not begin with a
/// dot, and does not end in `.json`; so a name is also that of a file, and no file is in the way of a folder.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RootName(Arc<str>);

/// Why a text is no name of a root.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RootNameError {
    /// It is empty or too long.
    #[error("the name of a root has 1 to {} characters", RootName::MAX_LENGTH)]
    Length,
    /// A segment is empty.
    #[error("the name of a root has no slash at its ends and no two in a row")]
    EmptySegment,
    /// A segment begins with a dot.
    #[error("no part of a root's name begins with a dot")]
    Dot,
    /// A segment ends in `.json`, as the objects of roots do.
    #[error("no part of a root's name ends in .json")]
    Suffix,
    /// It has another character.
    #[error("the name of a root has letters, digits, slashes and -_.+=@ only")]
    Character,
}

impl RootName {
    /// The longest name, in characters.
    pub const MAX_LENGTH: usize = 200;

    /// Reads a name.
    ///
    /// # Errors
    /// When it has a character, segment or length that a name cannot have.
    pub fn parse(text: &str) -> Result<Self, RootNameError> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(RootNameError::Length);
        }
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(RootNameError::EmptySegment);
            }
            if segment.starts_with('.') {
                return Err(RootNameError::Dot);
            }
            if segment.ends_with(".json") {
                return Err(RootNameError::Suffix);
            }
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+=@".contains(&byte);
            if !segment.bytes().all(is_allowed) {
                return Err(RootNameError::Character);
            }
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A few words that describe a revision of a root, such as a commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootLabel(Arc<str>);

/// A text that is no label: empty, too long, or with control characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a label has 1 to {} bytes and no control characters", RootLabel::MAX_BYTES)]
pub struct RootLabelError;

impl RootLabel {
    /// The longest label, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// Reads a label.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, RootLabelError> {
        if text.is_empty() || text.len() > Self::MAX_BYTES || text.chars().any(char::is_control) {
            return Err(RootLabelError);
        }
        Ok(Self(text.into()))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RootLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_branches_are_names() {
        for name in ["main", "project/main", "pr/123", "user@host", "v1.2+3", "a_b/c=d/e-f.g"] {
            assert_eq!(RootName::parse(name).unwrap().as_str(), name);
        }
        assert!(RootName::parse(&"a".repeat(RootName::MAX_LENGTH)).is_ok());
    }

    #[test]
    fn nothing_leaves_its_folder() {
        use RootNameError::{Character, Dot, EmptySegment, Length, Suffix};
        let long = "a".repeat(RootName::MAX_LENGTH + 1);
        for (name, error) in [
            ("", Length),
            (&long, Length),
            ("/a", EmptySegment),
            ("a/", EmptySegment),
            ("a//b", EmptySegment),
            ("..", Dot),
            ("a/../b", Dot),
            (".hidden", Dot),
            ("a.json", Suffix),
            ("a.json/b", Suffix),
            ("a b", Character),
            ("a\\b", Character),
            ("a#1", Character),
            ("ä", Character),
            ("a\0", Character),
            ("a%2Fb", Character),
        ] {
            assert_eq!(RootName::parse(name), Err(error), "{name}");
        }
    }

    #[test]
    fn a_label_is_one_line() {
        assert!(RootLabel::parse("build 17 of main: \"fast\"").is_ok());
        for label in ["", "a\nb", "a\u{1b}[0m"] {
            assert_eq!(RootLabel::parse(label), Err(RootLabelError), "{label:?}");
        }
        assert!(RootLabel::parse(&"a".repeat(RootLabel::MAX_BYTES + 1)).is_err());
    }
}
