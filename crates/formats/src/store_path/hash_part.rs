//! The hash part, which identifies a store path.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::error::StorePathError;
use crate::nix32;

/// The 20 bytes that identify a store path, spelled with 32 nix32 digits.
///
/// Ordered as the spelling is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashPart([u8; 20]);

impl HashPart {
    /// Wraps the raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Reads exactly 32 lower-case nix32 digits.
    ///
    /// # Errors
    /// When the length or a digit is wrong.
    pub fn parse(text: &str) -> Result<Self, StorePathError> {
        nix32::decode_array(text).map(Self).map_err(|_| StorePathError::InvalidHashPart)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for HashPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&nix32::encode(&self.0))
    }
}

impl fmt::Debug for HashPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashPart({self})")
    }
}

impl FromStr for HashPart {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, StorePathError> {
        Self::parse(text)
    }
}

impl Ord for HashPart {
    fn cmp(&self, other: &Self) -> Ordering {
        // nix32 writes the last byte first.
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

impl PartialOrd for HashPart {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
