//! SHA-256, the hash of NARs, signatures and store paths.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

use super::{Hash, HashAlgorithm, HashError, MAX_DIGEST, hex};
use crate::nix32;

/// A SHA-256 digest, which names a NAR and is covered by signatures.
///
/// Prints as `sha256:<nix32>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// Wraps the raw digest.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The raw digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        Self(sha2::Sha256::digest(data).into())
    }

    /// Reads any spelling that names the algorithm: `sha256:` before nix32, hex or base64, or SRI.
    ///
    /// # Errors
    /// When the text is no hash, or one of another algorithm.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        Self::try_from(Hash::parse(text)?)
    }

    /// Reads exactly 52 nix32 digits, without the algorithm: the spelling of file names.
    ///
    /// # Errors
    /// When the length, a digit or the excess bits are wrong.
    pub fn parse_nix32(text: &str) -> Result<Self, HashError> {
        Ok(Self(nix32::decode_array(text)?))
    }

    /// The 52 nix32 digits, without the algorithm.
    #[must_use]
    pub fn to_nix32(&self) -> String {
        nix32::encode(&self.0)
    }

    /// The 64 hex digits, lower case, without the algorithm.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// The SRI spelling: `sha256-<base64>`.
    #[must_use]
    pub fn to_sri(&self) -> String {
        Hash::from(*self).to_sri()
    }

    /// Appends the [`Display`](fmt::Display) spelling to `text`.
    pub(crate) fn push(&self, text: &mut String) {
        text.push_str("sha256:");
        nix32::push(text, &self.0);
    }
}

impl TryFrom<Hash> for Sha256Digest {
    type Error = HashError;

    fn try_from(hash: Hash) -> Result<Self, HashError> {
        match (hash.algorithm, hash.bytes.first_chunk()) {
            (HashAlgorithm::Sha256, Some(digest)) => Ok(Self(*digest)),
            (found, _) => Err(HashError::NotSha256 { found }),
        }
    }
}

impl From<Sha256Digest> for Hash {
    fn from(digest: Sha256Digest) -> Self {
        let mut bytes = [0; MAX_DIGEST];
        for (byte, digest_byte) in bytes.iter_mut().zip(digest.0) {
            *byte = digest_byte;
        }
        Self { algorithm: HashAlgorithm::Sha256, bytes }
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_nix32())
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

impl FromStr for Sha256Digest {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::parse(text)
    }
}

/// SHA-256 over data that arrives in pieces.
#[derive(Debug, Clone, Default)]
pub struct Sha256Hasher(sha2::Sha256);

impl Sha256Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hashes the next piece.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}
