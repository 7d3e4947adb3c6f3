//! Signatures of store paths, and the Ed25519 keys that make and check them.
//!
//! Keys and signatures are both spelled `<key name>:<padded base64>`. Signatures of other algorithms
//! have other lengths; they are read and written as they are, and verify with no key of ours.

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

/// Bytes of an Ed25519 signature.
const ED25519_LEN: usize = 64;
/// Characters of padded base64 that spell a secret key.
const SECRET_BASE64_LEN: usize = 88;
/// Bytes of the longest signature that is read: more than those of SLH-DSA, the longest in use, have.
const MAX_SIGNATURE_LEN: usize = 64 << 10;

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
    /// Nothing follows the colon.
    #[error("there is nothing after the colon of the signature")]
    EmptySignature,
    /// More than any algorithm makes.
    #[error("the signature has {length} bytes, more than any algorithm makes")]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
}

/// A signature of any algorithm, with the name of the key that made it.
///
/// The bytes need not be a signature of anything: [`PublicKey::verify`] tells for Ed25519.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// The name of the key.
    pub key: KeyName,
    /// The detached signature.
    pub bytes: Box<[u8]>,
}

impl Signature {
    /// Reads `<key name>:<base64>`.
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
        let bytes = BASE64.decode(base64).map_err(|_| SignatureError::InvalidBase64)?;
        match bytes.len() {
            0 => Err(SignatureError::EmptySignature),
            1..=MAX_SIGNATURE_LEN => Ok(Self { key, bytes: bytes.into_boxed_slice() }),
            length => Err(SignatureError::TooLong { length }),
        }
    }

    /// The well-formed signatures in a text of signatures separated by white space, each once.
    ///
    /// This is how the database stores them, where `nix store sign` and the daemon let any user
    /// put anything. A client has one key of a name, and stops at a signature by that name that has
    /// the wrong length: of a name that has made an Ed25519 signature, only such are given.
    #[must_use]
    pub fn filter_valid(text: &str) -> Vec<Self> {
        let mut valid: Vec<Self> = Vec::new();
        for signature in text.split_ascii_whitespace().filter_map(|word| Self::parse(word).ok()) {
            if !valid.contains(&signature) {
                valid.push(signature);
            }
        }
        let ed25519: Vec<KeyName> = valid
            .iter()
            .filter(|signature| signature.is_ed25519_sized())
            .map(|signature| signature.key.clone())
            .collect();
        valid.retain(|signature| signature.is_ed25519_sized() || !ed25519.contains(&signature.key));
        valid
    }

    /// The padded base64 after the colon.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.bytes)
    }

    /// Appends the [`Display`](fmt::Display) spelling to `text`.
    pub(crate) fn push(&self, text: &mut String) {
        text.push_str(self.key.as_str());
        text.push(':');
        BASE64.encode_string(&self.bytes, text);
    }

    /// Length of the [`Display`](fmt::Display) spelling, in bytes.
    pub(crate) fn spelled_len(&self) -> usize {
        self.key.as_str().len() + 1 + self.bytes.len().div_ceil(3) * 4
    }

    /// Whether it can be an Ed25519 signature.
    fn is_ed25519_sized(&self) -> bool {
        self.bytes.len() == ED25519_LEN
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
