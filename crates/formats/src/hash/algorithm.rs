//! Names and lengths of hash functions.

use std::fmt;

/// A hash function Nix has a name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// 16 bytes; only in old content addresses.
    Md5,
    /// 20 bytes; only in content addresses.
    Sha1,
    /// 32 bytes; in store paths, NAR hashes and signatures.
    Sha256,
    /// 64 bytes; only in content addresses.
    Sha512,
    /// 32 bytes; experimental since Nix 2.31.
    Blake3,
}

impl HashAlgorithm {
    /// The name before the colon of a spelled hash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// The algorithm with this name, in lower case. `None` when Nix knows no such algorithm.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            "blake3" => Self::Blake3,
            _ => return None,
        })
    }

    /// Bytes in a digest.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
