//! Hashes in every spelling Nix reads: `algo:` before nix32, hex or base64, and SRI.

mod algorithm;
mod sha256;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

pub use self::algorithm::HashAlgorithm;
pub use self::sha256::{Sha256Digest, Sha256Hasher};
use crate::nix32::{self, Nix32Error};

/// The longest digest of any [`HashAlgorithm`].
const MAX_DIGEST: usize = 64;

/// Why a text is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HashError {
    /// Neither `algo:` nor `algo-` at the start: a bare digest says nothing without its algorithm.
    #[error("the hash does not name its algorithm")]
    NoAlgorithm,
    /// An algorithm Nix does not know.
    #[error("unknown hash algorithm (expected md5, sha1, sha256, sha512 or blake3)")]
    UnknownAlgorithm,
    /// A known algorithm where only one other is meant.
    #[error("a {found} hash where only sha256 is possible")]
    NotSha256 {
        /// The algorithm that was named.
        found: HashAlgorithm,
    },
    /// No spelling of this algorithm's digests has this length.
    #[error("{length} characters spell no {algorithm} digest in hex, nix32 or base64")]
    InvalidLength {
        /// The algorithm that was named.
        algorithm: HashAlgorithm,
        /// Characters after the algorithm.
        length: usize,
    },
    /// A character that is not hexadecimal.
    #[error("the digest is not hexadecimal")]
    InvalidHex,
    /// A character or bit pattern base64 does not have.
    #[error("the digest is not valid base64")]
    InvalidBase64,
    /// A character or bit pattern nix32 does not have.
    #[error("the digest is not valid nix32: {0}")]
    InvalidNix32(#[from] Nix32Error),
}

/// A digest together with its algorithm.
///
/// Prints as `algo:<nix32>`, the spelling of narinfos and content addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash {
    algorithm: HashAlgorithm,
    /// Zero after the digest, so that the derived comparisons hold.
    bytes: [u8; MAX_DIGEST],
}

impl Hash {
    /// A hash from the raw digest, or nothing when its length is not the algorithm's.
    #[must_use]
    pub fn from_bytes(algorithm: HashAlgorithm, digest: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_DIGEST];
        bytes
            .get_mut(..algorithm.digest_len())
            .filter(|room| room.len() == digest.len())?
            .copy_from_slice(digest);
        Some(Self { algorithm, bytes })
    }

    /// Reads `algo:` followed by nix32, hex or padded base64, or SRI (`algo-<base64>`).
    ///
    /// # Errors
    /// When the algorithm is missing or unknown, or the digest is misspelled.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let separator = text.find([':', '-']).ok_or(HashError::NoAlgorithm)?;
        let (name, digest) = text.split_at_checked(separator).ok_or(HashError::NoAlgorithm)?;
        let algorithm = algorithm_named(name)?;
        match digest.strip_prefix('-') {
            Some(base64) => Self::from_base64(algorithm, base64),
            None => Self::parse_digest(algorithm, digest.strip_prefix(':').unwrap_or(digest)),
        }
    }

    /// Reads `algo:<digest>` as [`Hash::parse`] does, but not SRI.
    ///
    /// # Errors
    /// As for [`Hash::parse`].
    pub fn parse_prefixed(text: &str) -> Result<Self, HashError> {
        let (name, digest) = text.split_once(':').ok_or(HashError::NoAlgorithm)?;
        Self::parse_digest(algorithm_named(name)?, digest)
    }

    /// Reads a digest without its algorithm; the length tells hex, nix32 and base64 apart.
    ///
    /// # Errors
    /// When the length fits none of the three, or a character is wrong for the one it fits.
    pub fn parse_digest(algorithm: HashAlgorithm, digest: &str) -> Result<Self, HashError> {
        let bytes = algorithm.digest_len();
        let length = digest.len();
        if length == nix32::encoded_len(bytes) {
            let decoded = nix32::decode(digest)?;
            Self::from_bytes(algorithm, &decoded)
                .ok_or(HashError::InvalidLength { algorithm, length })
        } else if length == bytes * 2 {
            Self::from_hex(algorithm, digest)
        } else {
            Self::from_base64(algorithm, digest)
        }
    }

    fn from_hex(algorithm: HashAlgorithm, digest: &str) -> Result<Self, HashError> {
        let mut bytes = [0; MAX_DIGEST];
        for (byte, pair) in bytes.iter_mut().zip(digest.as_bytes().chunks_exact(2)) {
            let &[high, low] = pair else { return Err(HashError::InvalidHex) };
            *byte = hex_value(high)? << 4 | hex_value(low)?;
        }
        Ok(Self { algorithm, bytes })
    }

    fn from_base64(algorithm: HashAlgorithm, digest: &str) -> Result<Self, HashError> {
        let length = digest.len();
        if length != algorithm.digest_len().div_ceil(3) * 4 {
            return Err(HashError::InvalidLength { algorithm, length });
        }
        let decoded = BASE64.decode(digest).map_err(|_| HashError::InvalidBase64)?;
        Self::from_bytes(algorithm, &decoded).ok_or(HashError::InvalidBase64)
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The raw digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.digest_len()).unwrap_or(&self.bytes)
    }

    /// The digest in lower-case hex, without the algorithm.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(self.as_bytes())
    }

    /// The digest in nix32, without the algorithm.
    #[must_use]
    pub fn to_nix32(&self) -> String {
        nix32::encode(self.as_bytes())
    }

    /// The SRI spelling: `algo-<base64>`.
    #[must_use]
    pub fn to_sri(&self) -> String {
        format!("{}-{}", self.algorithm, BASE64.encode(self.as_bytes()))
    }

    /// Appends the [`Display`](fmt::Display) spelling to `text`.
    pub(crate) fn push(&self, text: &mut String) {
        text.push_str(self.algorithm.name());
        text.push(':');
        nix32::push(text, self.as_bytes());
    }
}

fn algorithm_named(name: &str) -> Result<HashAlgorithm, HashError> {
    HashAlgorithm::from_name(name).ok_or(HashError::UnknownAlgorithm)
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_nix32())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::parse(text)
    }
}

fn hex_value(digit: u8) -> Result<u8, HashError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(HashError::InvalidHex),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(digits.map(char::from));
    text
}
