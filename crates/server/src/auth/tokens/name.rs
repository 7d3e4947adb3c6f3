//! Names of tokens.

use std::{fmt, sync::Arc};

use super::secret::PREFIX;

/// The longest name, in characters.
const MAX_NAME_BYTES: usize = 64;

/// The name of a token in its file, in the log and in metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(Arc<str>);

/// Why a text cannot name a token. It does not show the text, which may be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to {MAX_NAME_BYTES} letters, digits, dots, underscores and dashes, and does not begin with `{PREFIX}`"
)]
pub struct NotAName;

impl TokenName {
    /// Reads a name.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_name = (1..=MAX_NAME_BYTES).contains(&text.len())
            && text.bytes().all(is_allowed)
            && !text.starts_with(PREFIX);
        is_name.then(|| Self(text.into())).ok_or(NotAName)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_no_token() {
        for good in ["ci", "Team-A.laptop_2", &"x".repeat(64)] {
            assert_eq!(TokenName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a b",
            "a:b",
            "ä",
            "#ci",
            "rns_abc",
            "ci\u{200b}",
            "\u{feff}ci",
            "c\u{456}",
            &"x".repeat(65),
        ] {
            assert_eq!(TokenName::parse(bad), Err(NotAName), "{bad}");
        }
    }
}
