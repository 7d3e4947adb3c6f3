//! The parts of a store that all questions share, and the memory of its paths.
//!
//! - `parts`: database, layouts, health and roots of one store
//! - `path_memory`: rows and misses of one generation of the database; `path_health`: damaged and verified paths
//! - `store_presence`: whether the store is there at all
//! - `index`, `hash_key`: indexes over all rows

pub(crate) mod hash_key;
pub(crate) mod index;
mod parts;
pub(crate) mod path_health;
pub(crate) mod path_memory;
pub(crate) mod store_presence;

pub(crate) use self::parts::StoreParts;
