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
    /// When it is empty, or could not be told from what follows it.
    pub fn parse(text: &str) -> Result<Self, KeyNameError> {
        if text.is_empty() {
            Err(KeyNameError::Empty)
        } else if text.contains(':') {
            Err(KeyNameError::Colon)
        } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            Err(KeyNameError::WhiteSpace)
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
