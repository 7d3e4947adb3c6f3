//! Names of derivation outputs before Nix 2.35.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::hash::{Hash, HashError, Sha256Digest};
use crate::store_path::{StorePathError, StorePathName};

/// Why a text is not the id of a realisation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DrvOutputIdError {
    /// No `!` between hash and output.
    #[error("the id of a realisation is spelled `sha256:<hex>!<output>`, but there is no `!`")]
    NoExclamationMark,
    /// The text before the `!` is no SHA-256 hash.
    #[error("the derivation hash is wrong: {0}")]
    InvalidHash(#[from] HashError),
    /// The text after the `!` cannot name an output.
    #[error("the output name is wrong: {0}")]
    InvalidOutputName(#[from] StorePathError),
}

/// An output of a derivation that is known by its hash modulo fixed outputs.
///
/// Prints as `sha256:<hex>!<output>`, and is ordered as that spelling is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DrvOutputId {
    /// The derivation's hash, which is not the one in its store path.
    pub drv_hash: Sha256Digest,
    /// The name of the output: `out`, `dev`…
    pub output_name: StorePathName,
}

impl DrvOutputId {
    /// Reads `sha256:<digest>!<output>`; the digest may be hex, nix32 or base64.
    ///
    /// # Errors
    /// When the hash or the output name is wrong.
    pub fn parse(text: &str) -> Result<Self, DrvOutputIdError> {
        let (hash, output) = text.split_once('!').ok_or(DrvOutputIdError::NoExclamationMark)?;
        Ok(Self {
            drv_hash: Sha256Digest::try_from(Hash::parse_prefixed(hash)?)?,
            output_name: StorePathName::parse(output)?,
        })
    }
}

impl fmt::Display for DrvOutputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}!{}", self.drv_hash.to_hex(), self.output_name)
    }
}

impl FromStr for DrvOutputId {
    type Err = DrvOutputIdError;

    fn from_str(text: &str) -> Result<Self, DrvOutputIdError> {
        Self::parse(text)
    }
}
