//! The names of signing keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Why a text is not the name of a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyNameError {
    /// There is no text.
    #[error("the key name is empty")]
    Empty,
    /// A colon, which ends the name in keys and signatures.
    #[error("the key name contains a colon")]
    Colon,
    /// White space or a control character, which ends a signature in databases and narinfos.
    #[error("the key name contains white space or a control character")]
    WhiteSpace,
    /// A character that shows nothing: two names that look the same would be different keys.
    #[error("the key name contains the invisible character U+{:04X}", u32::from(*.0))]
    Invisible(char),
}

/// The name of a key, by custom the host that signs and a number: `cache.example.org-1`.
///
/// Clients choose the public key to check a signature with by this name. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// Reads a name.
    ///
    /// # Errors
    /// When it is empty, could not be told from the text after it, or has an invisible character.
    pub fn parse(text: &str) -> Result<Self, KeyNameError> {
        if text.is_empty() {
            Err(KeyNameError::Empty)
        } else if text.contains(':') {
            Err(KeyNameError::Colon)
        } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            Err(KeyNameError::WhiteSpace)
        } else if let Some(invisible) = text.chars().find(|c| is_invisible(*c)) {
            Err(KeyNameError::Invisible(invisible))
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character shows nothing where it stands: Unicode's formatting characters, variation
/// selectors, fillers and tags.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyName({})", self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(text: &str) -> Result<Self, KeyNameError> {
        Self::parse(text)
    }
}
