//! The backend for this machine's Nix store: read from its files, written to through its daemon. No HTTP here.
//!
//! [`LocalStore`] answers for all of the store. Two adapters go around it: [`ExposedCache`], which shows a part of it,
//! and [`CompressedCache`], whose NARs are compressed once. [`LocalCaches`] puts them together. [`StoreTarget`] takes
//! uploads, whose paths [`gcroots`] keep.

mod config;
pub mod daemon;
mod db;
mod exposure;
mod factory;
mod file_io;
pub mod gcroots;
mod import;
mod local_store;
mod nar;
mod nar_cache;
mod questions;
mod store;

pub use config::{AbsentStore, StoreConfig, Verify};
pub use exposure::{ExposedCache, Exposures};
pub use factory::LocalCaches;
pub use import::{ImportConfig, Imports, Spool, StoreTarget};
pub use local_store::LocalStore;
pub use nar::Nar;
pub use nar_cache::{
    Codec, Compressed, CompressedCache, CompressedFile, Finished, GrowingNar, NarCache,
    NarCacheConfig, Prewarm, Warmed,
};
pub use questions::BuiltOutputs;
use rns_cache::{CacheError, Chunks};
