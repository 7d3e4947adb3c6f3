//! Ed25519 signatures of store paths, and the keys that make and check them.
//!
//! Keys and signatures are both spelled `<key name>:<padded base64>`.

mod key_name;
mod public_key;
mod secret_key;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

pub use key_name::{KeyName, KeyNameError};
pub use public_key::{PublicKey, PublicKeyError};
pub use secret_key::{SecretKey, SecretKeyError};

const SIGNATURE_LEN: usize = 64;
/// Characters of padded base64 that spell a signature, and a secret key.
const BASE64_LEN: usize = 88;

/// Why a text is not a signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// No colon between key name and signature.
    #[error("a signature is spelled `<key name>:<base64>`, but there is no colon")]
    NoColon,
    /// The text before the colon is no key name.
    #[error(transparent)]
    InvalidKeyName(#[from] KeyNameError),
    /// The text after the colon is not padded base64.
    #[error("the signature is not valid base64")]
    InvalidBase64,
    /// The base64 spells another number of bytes.
    #[error("a signature has 64 bytes, not {length}")]
    InvalidLength {
        /// How many bytes it has.
        length: usize,
    },
}

/// An Ed25519 signature, with the name of the key that made it.
///
/// The bytes need not be a signature of anything: [`PublicKey::verify`] tells.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// The name of the key.
    pub key: KeyName,
    /// The detached signature.
    pub bytes: [u8; SIGNATURE_LEN],
}

impl Signature {
    /// Reads `<key name>:<base64 of 64 bytes>`.
    ///
    /// # Errors
    /// On anything else: one signature of the wrong shape makes Nix since 2.34 refuse the whole
    /// narinfo that carries it.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let (name, base64) = text.split_once(':').ok_or(SignatureError::NoColon)?;
        Self::from_parts(name, base64)
    }

    /// Reads key name and base64 that are already apart.
    pub(crate) fn from_parts(name: &str, base64: &str) -> Result<Self, SignatureError> {
        let key = KeyName::parse(name)?;
        let decoded = BASE64.decode(base64).map_err(|_| SignatureError::InvalidBase64)?;
        let bytes = decoded
            .try_into()
            .map_err(|other: Vec<u8>| SignatureError::InvalidLength { length: other.len() })?;
        Ok(Self { key, bytes })
    }

    /// The well-formed signatures in a text of signatures separated by white space, each once.
    ///
    /// This is how the database stores them, where `nix store sign` and the daemon let any user
    /// put anything.
    #[must_use]
    pub fn filter_valid(text: &str) -> Vec<Self> {
        let mut valid: Vec<Self> = Vec::new();
        for signature in text.split_ascii_whitespace().filter_map(|word| Self::parse(word).ok()) {
            if !valid.contains(&signature) {
                valid.push(signature);
            }
        }
        valid
    }

    /// The padded base64 after the colon.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.bytes)
    }

    /// Appends the [`Display`](fmt::Display) spelling to `text`.
    pub(crate) fn push(&self, text: &mut String) {
        text.push_str(self.key.as_str());
        text.push(':');
        BASE64.encode_string(self.bytes, text);
    }

    /// Length of the [`Display`](fmt::Display) spelling, in bytes.
    pub(crate) fn spelled_len(&self) -> usize {
        self.key.as_str().len() + 1 + BASE64_LEN
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.to_base64())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        Self::parse(text)
    }
}
