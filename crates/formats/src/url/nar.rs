//! The URLs of NARs: ours, and those that other servers put into clients' caches, where they stay
//! for 30 days.

use std::fmt::{self, Write as _};

use crate::compression::Compression;
use crate::hash::Sha256Digest;
use crate::store_path::HashPart;

use super::decode::query_value;

/// The hashes and the compression in the URL of a NAR: at least one of the two hashes.
///
/// | URL below `nar/` | where from |
/// |---|---|
/// | `<hash part>-<NAR hash>.nar[.ext]` | this server, nix-serve, nix-serve-ng |
/// | `<hash part>.nar[.ext]` | early nix-serve, attic |
/// | `<NAR hash>.nar?hash=<hash part>` | harmonia |
/// | `<file hash>.nar[.ext]` | caches that Nix itself wrote; without `.ext` the file hash is the NAR hash |
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct NarName {
    /// Hash of the NAR. Where [`compression`](Self::compression) is not none and there is no hash
    /// part, the URL comes from a cache that Nix wrote, and this is the hash of the compressed
    /// file.
    pub nar_hash: Option<Sha256Digest>,
    /// Hash part of the store path.
    pub hash_part: Option<HashPart>,
    /// How the NAR is compressed.
    pub compression: Compression,
}

impl NarName {
    /// The name that says everything, to be put into narinfos.
    #[must_use]
    pub const fn new(
        hash_part: HashPart,
        nar_hash: Sha256Digest,
        compression: Compression,
    ) -> Self {
        Self { nar_hash: Some(nar_hash), hash_part: Some(hash_part), compression }
    }

    /// The name of a file in a cache that Nix wrote: `nar/<file hash>.nar[.ext]`.
    #[must_use]
    pub const fn of_file(file_hash: Sha256Digest, compression: Compression) -> Self {
        Self { nar_hash: Some(file_hash), hash_part: None, compression }
    }

    /// The URL relative to that of the cache: `nar/<hash part>-<NAR hash>.nar`, with the suffix of
    /// the compression behind it, and without a hash that is not known.
    #[must_use]
    pub fn canonical_url(&self) -> String {
        self.to_string()
    }

    pub(super) fn parse(file_name: &[u8], raw_query: Option<&str>) -> Option<Self> {
        let (stem, extension) = str::from_utf8(file_name).ok()?.split_once('.')?;
        let compression = Compression::from_file_suffix(extension.strip_prefix("nar")?)?;
        if let Some((hash, nar)) = stem.split_once('-') {
            return Some(Self::new(hash_part(hash.as_bytes())?, nar_hash(nar)?, compression));
        }
        if let Some(hash_part) = hash_part(stem.as_bytes()) {
            return Some(Self { nar_hash: None, hash_part: Some(hash_part), compression });
        }
        let nar_hash = nar_hash(stem)?;
        let hash_part = match query_value(raw_query, "hash") {
            Some(hash) => Some(hash_part(&hash)?),
            None => None,
        };
        Some(Self { nar_hash: Some(nar_hash), hash_part, compression })
    }
}

impl fmt::Display for NarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nar/")?;
        if let Some(hash_part) = self.hash_part {
            write!(f, "{hash_part}")?;
        }
        if self.hash_part.is_some() && self.nar_hash.is_some() {
            f.write_char('-')?;
        }
        if let Some(nar_hash) = self.nar_hash {
            f.write_str(&nar_hash.to_nix32())?;
        }
        write!(f, ".nar{}", self.compression.file_suffix())
    }
}

/// Reads the hash part of a store path.
pub(super) fn hash_part(text: &[u8]) -> Option<HashPart> {
    HashPart::parse(str::from_utf8(text).ok()?).ok()
}

fn nar_hash(text: &str) -> Option<Sha256Digest> {
    Sha256Digest::parse_nix32(text).ok()
}
