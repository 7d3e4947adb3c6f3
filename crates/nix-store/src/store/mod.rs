//! The local store: rows of its database, NARs of its files, and how it answers as a binary cache.
//!
//! - `local`: the handle to the store, opening and reading NARs; `binary_cache`: the trait over it
//! - `lookup`: from a hash part to its row, by memory or by the database
//! - `path_memory`: rows and misses of one generation of the database; `path_health`: damaged and verified paths
//! - `store_presence`: whether the store is there at all
//! - `index`, `hash_key`: indexes over all rows

pub(crate) mod binary_cache;
pub(crate) mod hash_key;
pub(crate) mod index;
mod local;
pub(crate) mod lookup;
pub(crate) mod path_health;
pub(crate) mod path_memory;
mod stats;
pub(crate) mod store_presence;

pub use self::local::LocalStore;
pub(crate) use self::{binary_cache::record, local::StoreParts};
