//! Names of store paths and derivation outputs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::error::StorePathError;

const MAX_NAME: usize = 211;

/// The part of a store path after its hash part; also the form of derivation output names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePathName(Arc<str>);

impl StorePathName {
    /// Reads a name.
    ///
    /// # Errors
    /// When the length, a character or a leading dot component is not allowed.
    pub fn parse(text: &str) -> Result<Self, StorePathError> {
        check_name(text)?;
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorePathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for StorePathName {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, StorePathError> {
        Self::parse(text)
    }
}

pub(super) fn check_name(name: &str) -> Result<(), StorePathError> {
    if name.is_empty() {
        return Err(StorePathError::EmptyName);
    }
    if name.len() > MAX_NAME {
        return Err(StorePathError::NameTooLong { length: name.len() });
    }
    let invalid = |byte: &u8| {
        !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'?' | b'='))
    };
    if let Some(byte) = name.bytes().find(invalid) {
        return Err(StorePathError::InvalidNameByte { byte });
    }
    match name.split('-').next() {
        Some("." | "..") => Err(StorePathError::DotName),
        _ => Ok(()),
    }
}
