//! Secret keys, as in the file `nix key generate-secret` writes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{KeyName, KeyNameError, PublicKey, SECRET_BASE64_LEN, Signature};

/// Bytes of seed and public key together.
const KEYPAIR_LEN: usize = 64;

/// Why a text is not a secret key. No message repeats any of the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretKeyError {
    /// No colon between name and key.
    #[error("a secret key is spelled `<name>:<base64>`, but there is no colon")]
    NoColon,
    /// The text before the colon is no key name.
    #[error(transparent)]
    InvalidName(#[from] KeyNameError),
    /// The text after the colon is not padded base64.
    #[error("the secret key is not valid base64")]
    InvalidBase64,
    /// The base64 spells another number of bytes.
    #[error("a secret key has 64 bytes, not {length}{}", public_hint(*length))]
    InvalidLength {
        /// How many bytes it has.
        length: usize,
    },
    /// The last 32 bytes are not the public key that belongs to the first 32.
    #[error("the public half of the secret key does not match its secret half")]
    PublicHalfMismatch,
}

fn public_hint(length: usize) -> &'static str {
    if length == 32 { " (is this a public key?)" } else { "" }
}

/// A named Ed25519 secret key. It is wiped from memory when dropped, and never printed.
#[derive(Clone)]
pub struct SecretKey {
    name: KeyName,
    key: SigningKey,
}

impl SecretKey {
    /// Reads `<name>:<base64 of the 32-byte seed and the 32-byte public key>`; white space
    /// around it, such as a final newline, is ignored.
    ///
    /// # Errors
    /// Says why the text is refused, without repeating it: it may be a secret.
    pub fn parse(text: &str) -> Result<Self, SecretKeyError> {
        let (name, base64) = text.trim().split_once(':').ok_or(SecretKeyError::NoColon)?;
        let name = KeyName::parse(name)?;
        // With room for everything from the start, no copy is left behind by growing.
        let mut decoded = Zeroizing::new(Vec::with_capacity(base64.len()));
        BASE64.decode_vec(base64, &mut decoded).map_err(|_| SecretKeyError::InvalidBase64)?;
        let keypair: &[u8; KEYPAIR_LEN] = decoded
            .as_slice()
            .try_into()
            .map_err(|_| SecretKeyError::InvalidLength { length: decoded.len() })?;
        let key = SigningKey::from_keypair_bytes(keypair)
            .map_err(|_| SecretKeyError::PublicHalfMismatch)?;
        Ok(Self { name, key })
    }

    /// The key that follows from a seed, which must come from a secure source of randomness.
    #[must_use]
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        Self { name, key: SigningKey::from_bytes(seed) }
    }

    /// The name of the key.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The public key that checks this key's signatures.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.name.clone(), self.key.verifying_key())
    }

    /// Signs `message`, usually a fingerprint.
    #[must_use]
    pub fn sign(&self, message: impl AsRef<[u8]>) -> Signature {
        let bytes = self.key.sign(message.as_ref()).to_bytes();
        Signature { key: self.name.clone(), bytes: Box::new(bytes) }
    }

    /// The text [`SecretKey::parse`] reads, without a final newline, as Nix writes it.
    #[must_use]
    pub fn to_secret_string(&self) -> Zeroizing<String> {
        let keypair = Zeroizing::new(self.key.to_keypair_bytes());
        let name = self.name.as_str();
        let mut text = Zeroizing::new(String::with_capacity(name.len() + 1 + SECRET_BASE64_LEN));
        text.push_str(name);
        text.push(':');
        BASE64.encode_string(keypair.as_slice(), &mut text);
        text
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("name", &self.name).finish_non_exhaustive()
    }
}
