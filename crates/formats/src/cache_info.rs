//! `nix-cache-info`: the properties of a cache.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::store_path::{StoreDir, StoreDirError};

/// The priority that a client assumes when `Priority` is missing.
const DEFAULT_PRIORITY: i32 = 50;

/// Why a text is not a `nix-cache-info`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CacheInfoError {
    /// `StoreDir` is no store directory.
    #[error("StoreDir is invalid: {0}")]
    InvalidStoreDir(#[from] StoreDirError),
    /// `Priority` is no number, which makes most clients refuse the cache.
    #[error("Priority is not an integer")]
    InvalidPriority,
}

/// The contents of `nix-cache-info`. Prints as the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// The store directory of every path in the cache; clients with another refuse the cache.
    pub store_dir: StoreDir,
    /// Whether clients may ask about many paths at once, as for `nix-env -qas`.
    pub want_mass_query: bool,
    /// Which cache a client asks first: the one with the lowest number.
    pub priority: i32,
    /// Fields clients know nothing of, in the order of the file.
    pub unknown: Vec<(String, String)>,
}

impl CacheInfo {
    /// Reads the file as clients do: white space around values and lines without a colon are
    /// ignored, and a missing field has the default that a client assumes.
    ///
    /// # Errors
    /// When a client would refuse the cache.
    pub fn parse(text: &str) -> Result<Self, CacheInfoError> {
        let mut info = Self::default();
        for (name, value) in text.split('\n').filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name {
                "StoreDir" => info.store_dir = StoreDir::parse(value)?,
                "WantMassQuery" => info.want_mass_query = value == "1",
                "Priority" => {
                    info.priority = value.parse().map_err(|_| CacheInfoError::InvalidPriority)?;
                }
                _ => info.unknown.push((name.to_owned(), value.to_owned())),
            }
        }
        Ok(info)
    }
}

impl Default for CacheInfo {
    /// The values that a client assumes where a cache sets none.
    fn default() -> Self {
        Self {
            store_dir: StoreDir::default(),
            want_mass_query: false,
            priority: DEFAULT_PRIORITY,
            unknown: Vec::new(),
        }
    }
}

impl fmt::Display for CacheInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "StoreDir: {}", self.store_dir)?;
        writeln!(f, "WantMassQuery: {}", u8::from(self.want_mass_query))?;
        writeln!(f, "Priority: {}", self.priority)?;
        for (name, value) in &self.unknown {
            writeln!(f, "{name}: {value}")?;
        }
        Ok(())
    }
}

impl FromStr for CacheInfo {
    type Err = CacheInfoError;

    fn from_str(text: &str) -> Result<Self, CacheInfoError> {
        Self::parse(text)
    }
}
