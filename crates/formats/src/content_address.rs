//! Content addresses: store paths whose names follow from their contents.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::hash::{Hash, HashAlgorithm, HashError, Sha256Digest};
use crate::store_path::{HashPart, StoreDir, StorePath, StorePathName};

/// Why a text is not a content address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContentAddressError {
    /// Neither `text:` nor `fixed:`.
    #[error("a content address starts with `text:` or `fixed:`")]
    UnknownMethod,
    /// The hash after the method is wrong.
    #[error("the hash of the content address is wrong: {0}")]
    InvalidHash(#[from] HashError),
}

/// Why a content address gives no store path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContentAddressPathError {
    /// Only text and SHA-256 of a NAR have room for references.
    #[error("a path with this content address cannot have references")]
    ReferencesNotAllowed,
    /// A text's hash covers its own name, which it can therefore not contain.
    #[error("a text cannot refer to itself")]
    SelfReferenceNotAllowed,
}

/// A method of hashing contents, with the hash.
///
/// Prints as Nix spells it in the database and in narinfos, with nix32 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentAddress {
    /// `text:sha256:…`: the bytes of a file; derivations and `builtins.toFile`.
    Text(Sha256Digest),
    /// `fixed:<algo>:…`: the bytes of a file.
    Flat(Hash),
    /// `fixed:r:<algo>:…`: the NAR, with the path's own hash part blanked out.
    Nar(Hash),
    /// `fixed:git:<algo>:…`: the Git object; experimental, and refused by older clients.
    Git(Hash),
}

impl ContentAddress {
    /// Reads a content address. The digest may be nix32, hex or base64, but not SRI.
    ///
    /// # Errors
    /// When the method or the hash is not one Nix has.
    pub fn parse(text: &str) -> Result<Self, ContentAddressError> {
        if let Some(hash) = text.strip_prefix("text:") {
            return Ok(Self::Text(Sha256Digest::try_from(Hash::parse_prefixed(hash)?)?));
        }
        let rest = text.strip_prefix("fixed:").ok_or(ContentAddressError::UnknownMethod)?;
        if let Some(hash) = rest.strip_prefix("r:") {
            Ok(Self::Nar(Hash::parse_prefixed(hash)?))
        } else if let Some(hash) = rest.strip_prefix("git:") {
            Ok(Self::Git(Hash::parse_prefixed(hash)?))
        } else {
            Ok(Self::Flat(Hash::parse_prefixed(rest)?))
        }
    }

    /// The store path of contents with this address.
    ///
    /// `references` are the other paths it refers to, `self_reference` says whether it refers
    /// to itself.
    ///
    /// # Errors
    /// When the method has no room for such references.
    pub fn store_path(
        &self,
        store_dir: &StoreDir,
        name: &StorePathName,
        references: &[StorePath],
        self_reference: bool,
    ) -> Result<StorePath, ContentAddressPathError> {
        let (kind, inner) = match self {
            Self::Text(_) if self_reference => {
                return Err(ContentAddressPathError::SelfReferenceNotAllowed);
            }
            Self::Text(digest) => {
                (path_type("text", store_dir, references, false), digest.to_hex())
            }
            Self::Nar(hash) if hash.algorithm() == HashAlgorithm::Sha256 => {
                (path_type("source", store_dir, references, self_reference), hash.to_hex())
            }
            Self::Flat(_) | Self::Nar(_) | Self::Git(_)
                if self_reference || !references.is_empty() =>
            {
                return Err(ContentAddressPathError::ReferencesNotAllowed);
            }
            Self::Flat(hash) => ("output:out".to_owned(), fixed_output(hash, "")),
            Self::Nar(hash) => ("output:out".to_owned(), fixed_output(hash, "r:")),
            Self::Git(hash) => ("output:out".to_owned(), fixed_output(hash, "git:")),
        };
        let described = format!("{kind}:sha256:{inner}:{store_dir}:{name}");
        let digest = Sha256Digest::of(described.as_bytes());
        Ok(StorePath::from_parts(fold(&digest), name))
    }

    /// Whether contents with this address and these references belong at `path`.
    ///
    /// `references` may list `path` itself.
    #[must_use]
    pub fn is_address_of(
        &self,
        store_dir: &StoreDir,
        path: &StorePath,
        references: &[StorePath],
    ) -> bool {
        let Ok(name) = StorePathName::parse(path.name()) else { return false };
        let self_reference = references.contains(path);
        let others: Vec<_> = references.iter().filter(|other| *other != path).cloned().collect();
        self.store_path(store_dir, &name, &others, self_reference).as_ref() == Ok(path)
    }

    /// Appends the [`Display`](fmt::Display) spelling to `text`.
    pub(crate) fn push(&self, text: &mut String) {
        let (method, hash) = match self {
            Self::Text(digest) => ("text:", Hash::from(*digest)),
            Self::Flat(hash) => ("fixed:", *hash),
            Self::Nar(hash) => ("fixed:r:", *hash),
            Self::Git(hash) => ("fixed:git:", *hash),
        };
        text.push_str(method);
        hash.push(text);
    }
}

/// The text before the hash: the kind of the contents, and every reference, sorted.
fn path_type(method: &str, store_dir: &StoreDir, references: &[StorePath], itself: bool) -> String {
    let mut sorted: Vec<_> = references.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut text = method.to_owned();
    for reference in sorted {
        text.push(':');
        store_dir.push(&mut text, reference);
    }
    if itself {
        text.push_str(":self");
    }
    text
}

fn fixed_output(hash: &Hash, method: &str) -> String {
    let described = format!("fixed:out:{method}{}:{}:", hash.algorithm(), hash.to_hex());
    Sha256Digest::of(described.as_bytes()).to_hex()
}

/// Folds a digest onto the 20 bytes of a hash part by exclusive or.
fn fold(digest: &Sha256Digest) -> HashPart {
    let mut folded = [0; 20];
    for chunk in digest.as_bytes().chunks(20) {
        for (into, byte) in folded.iter_mut().zip(chunk) {
            *into ^= byte;
        }
    }
    HashPart::from_bytes(folded)
}

impl fmt::Display for ContentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push(&mut text);
        f.write_str(&text)
    }
}

impl FromStr for ContentAddress {
    type Err = ContentAddressError;

    fn from_str(text: &str) -> Result<Self, ContentAddressError> {
        Self::parse(text)
    }
}
