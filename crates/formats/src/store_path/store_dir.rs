//! The directory all store paths are in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Why a text is not a store directory.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreDirError {
    /// The text does not start with a slash.
    #[error("a store directory must be an absolute path")]
    NotAbsolute,
    /// The text is `/`, ends with a slash, or has an empty, `.` or `..` component.
    #[error("a store directory must not have empty, `.` or `..` components or end with a slash")]
    NotNormal,
    /// A control character, which no line of a narinfo could hold.
    #[error("a store directory must not contain control characters")]
    ControlCharacter,
}

/// The logical store directory, `/nix/store` nearly everywhere.
///
/// It is a part of hashes and signatures. The files may be elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreDir(Arc<str>);

impl StoreDir {
    /// Reads an absolute directory without trailing slash.
    ///
    /// # Errors
    /// When the path is relative, not in normal form, or has control characters.
    pub fn parse(text: &str) -> Result<Self, StoreDirError> {
        let components = text.strip_prefix('/').ok_or(StoreDirError::NotAbsolute)?;
        if components.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(StoreDirError::NotNormal);
        }
        if components.contains(char::is_control) {
            return Err(StoreDirError::ControlCharacter);
        }
        Ok(Self(text.into()))
    }

    /// The directory, without trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for StoreDir {
    fn default() -> Self {
        Self("/nix/store".into())
    }
}

impl fmt::Display for StoreDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StoreDir {
    type Err = StoreDirError;

    fn from_str(text: &str) -> Result<Self, StoreDirError> {
        Self::parse(text)
    }
}
