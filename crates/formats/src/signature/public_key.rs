//! Public keys, as in a client's `trusted-public-keys`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::VerifyingKey;
use thiserror::Error;

use super::{KeyName, KeyNameError, Signature};
use crate::Sha256Digest;

/// Why a text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublicKeyError {
    /// No colon between name and key.
    #[error("a public key is spelled `<name>:<base64>`, but there is no colon")]
    NoColon,
    /// The text before the colon is no key name.
    #[error(transparent)]
    InvalidName(#[from] KeyNameError),
    /// The text after the colon is not padded base64.
    #[error("the public key is not valid base64")]
    InvalidBase64,
    /// The base64 spells another number of bytes.
    #[error("a public key has 32 bytes, not {length}{}", secret_hint(*length))]
    InvalidLength {
        /// How many bytes it has.
        length: usize,
    },
    /// The bytes are no point on the curve, or one that verifies forgeries.
    #[error("the 32 bytes are not an Ed25519 public key")]
    InvalidKey,
}

fn secret_hint(length: usize) -> &'static str {
    if length == 64 { " (this is a secret key)" } else { "" }
}

/// A named Ed25519 public key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    name: KeyName,
    key: VerifyingKey,
}

impl PublicKey {
    pub(super) const fn new(name: KeyName, key: VerifyingKey) -> Self {
        Self { name, key }
    }

    /// Reads `<name>:<base64 of 32 bytes>`; white space around it is ignored.
    ///
    /// # Errors
    /// Says which part of the text is wrong.
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        let (name, base64) = text.trim().split_once(':').ok_or(PublicKeyError::NoColon)?;
        let name = KeyName::parse(name)?;
        let decoded = BASE64.decode(base64).map_err(|_| PublicKeyError::InvalidBase64)?;
        let bytes = decoded
            .as_slice()
            .try_into()
            .map_err(|_| PublicKeyError::InvalidLength { length: decoded.len() })?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::InvalidKey)?;
        if key.is_weak() {
            return Err(PublicKeyError::InvalidKey);
        }
        Ok(Self { name, key })
    }

    /// The name of the key.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The fingerprint by which people compare keys: the SHA-256 of the 32 bytes, as `sha256-<base64>`. The name of the key is
    /// no part of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Sha256Digest::of(self.as_bytes()).to_sri()
    }

    /// Whether `signature` bears this key's name and is its signature of `message`. A
    /// signature of another algorithm is not.
    #[must_use]
    pub fn verify(&self, message: impl AsRef<[u8]>, signature: &Signature) -> bool {
        signature.key == self.name
            && ed25519_dalek::Signature::from_slice(&signature.bytes)
                .is_ok_and(|bytes| self.key.verify_strict(message.as_ref(), &bytes).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, BASE64.encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        Self::parse(text)
    }
}
