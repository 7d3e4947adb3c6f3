//! Names of build logs.

use crate::store_path::{HashPart, StorePath};

use super::decode::decode;

/// The header in which the client of a log that is uploaded says a path that the build made, by its base name.
pub const BUILT_PATH_HEADER: &str = "x-nix-built-path";

/// The derivation, or the two that it may be, whose build log is asked for.
///
/// Nix sends a `?` of a store path name raw, so that the query of HTTP may belong to the
/// name. At least one of the two readings is the name of a derivation, or there is just a hash
/// part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogName {
    with_query: Option<StorePath>,
    without_query: Option<StorePath>,
    hash_part: Option<HashPart>,
}

impl LogName {
    pub(super) fn parse(name: &[u8], raw_query: Option<&str>) -> Option<Self> {
        let with_query =
            raw_query.and_then(decode).and_then(|query| derivation(&[name, b"?", &query].concat()));
        let without_query = derivation(name);
        let hash_part = str::from_utf8(name).ok().and_then(|name| HashPart::parse(name).ok());
        (with_query.is_some() || without_query.is_some() || hash_part.is_some()).then_some(Self {
            with_query,
            without_query,
            hash_part,
        })
    }

    /// The log of this derivation; `None` for another path.
    #[must_use]
    pub fn of_derivation(derivation: StorePath) -> Option<Self> {
        let with_query = Some(derivation).filter(StorePath::is_derivation)?;
        Some(Self { with_query: Some(with_query), without_query: None, hash_part: None })
    }

    /// The hash part of a derivation, or of an output of one, where no more is given.
    #[must_use]
    pub const fn hash_part(&self) -> Option<HashPart> {
        self.hash_part
    }

    /// The derivations that may be meant, the more likely one first: the one that uses up the
    /// query.
    pub fn candidates(&self) -> impl Iterator<Item = &StorePath> {
        self.with_query.iter().chain(&self.without_query)
    }
}

fn derivation(name: &[u8]) -> Option<StorePath> {
    StorePath::parse(str::from_utf8(name).ok()?).ok().filter(StorePath::is_derivation)
}
