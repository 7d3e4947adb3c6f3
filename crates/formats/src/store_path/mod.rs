//! Store directories, store paths and their parts.
//!
//! A store path's base name is 32 nix32 digits, a dash and a name. Names have 1 to 211 of the
//! characters `0-9 A-Z a-z + - . _ ? =`; neither the name nor the part before its first dash may
//! be `.` or `..`. A leading dot is otherwise allowed, as Nix has it since 2.21.

mod error;
mod hash_part;
mod name;
mod store_dir;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

pub use self::error::StorePathError;
pub use self::hash_part::HashPart;
pub use self::name::StorePathName;
use self::name::check_name;
pub use self::store_dir::{StoreDir, StoreDirError};

const HASH_DIGITS: usize = 32;

/// A store path without its directory: `<hash part>-<name>`.
///
/// Compared and ordered bytewise by that base name. Cloning is cheap.
#[derive(Clone)]
pub struct StorePath {
    base: Arc<str>,
    hash_part: HashPart,
}

impl StorePath {
    /// Reads a base name. Use [`StoreDir::parse_path`] for a full path.
    ///
    /// # Errors
    /// Names the part of the text that breaks a rule.
    pub fn parse(base: &str) -> Result<Self, StorePathError> {
        if base.len() < HASH_DIGITS {
            return Err(StorePathError::TooShort);
        }
        let (hash, rest) =
            base.split_at_checked(HASH_DIGITS).ok_or(StorePathError::InvalidHashPart)?;
        let hash_part = HashPart::parse(hash)?;
        check_name(rest.strip_prefix('-').ok_or(StorePathError::NoDash)?)?;
        Ok(Self { base: base.into(), hash_part })
    }

    /// The path with these parts.
    #[must_use]
    pub fn from_parts(hash_part: HashPart, name: &StorePathName) -> Self {
        Self { base: format!("{hash_part}-{name}").into(), hash_part }
    }

    /// The hash part.
    #[must_use]
    pub const fn hash_part(&self) -> HashPart {
        self.hash_part
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.base.get(HASH_DIGITS + 1..).unwrap_or_default()
    }

    /// The base name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.base
    }

    /// Whether the path is a derivation, by its `.drv` suffix.
    #[must_use]
    pub fn is_derivation(&self) -> bool {
        self.base.ends_with(".drv")
    }
}

impl StoreDir {
    /// The full path of `path` in this store.
    #[must_use]
    pub fn print(&self, path: &StorePath) -> String {
        let mut text = String::with_capacity(self.as_str().len() + 1 + path.as_str().len());
        self.push(&mut text, path);
        text
    }

    /// Reads a full path directly below this directory.
    ///
    /// # Errors
    /// When the path is elsewhere, or its base name is not a store path's.
    pub fn parse_path(&self, text: &str) -> Result<StorePath, StorePathError> {
        let base = text
            .strip_prefix(self.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| StorePathError::NotInStore { store_dir: self.clone() })?;
        StorePath::parse(base)
    }

    /// Appends the full path of `path` to `text`.
    pub(crate) fn push(&self, text: &mut String, path: &StorePath) {
        text.push_str(self.as_str());
        text.push('/');
        text.push_str(path.as_str());
    }
}

impl PartialEq for StorePath {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base
    }
}

impl Eq for StorePath {}

impl PartialOrd for StorePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StorePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.base.cmp(&other.base)
    }
}

impl Hash for StorePath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.base.hash(state);
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.base)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePath({})", self.base)
    }
}

impl FromStr for StorePath {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, StorePathError> {
        Self::parse(text)
    }
}
