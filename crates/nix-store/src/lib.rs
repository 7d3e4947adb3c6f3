//! What can be served: the local Nix store, read only. No HTTP here.

mod cache;
mod chunks;
mod config;
pub mod daemon;
mod db;
mod debuginfo;
mod exposure;
mod factory;
mod file_part;
mod file_time;
mod files;
mod hash_key;
mod index;
mod listing;
mod local;
mod log;
mod lookup;
mod nar;
mod nar_cache;
mod nar_index;
mod negative_cache;
mod nonblocking_io;
mod page_cache;
mod path_health;
mod realisation;
mod registered;
mod regular_file;
mod resolve_beneath;
mod row_cache;
mod stats;
mod store_presence;

pub use config::{AbsentStore, StoreConfig, Verify};
pub use factory::LocalCaches;
pub use local::LocalStore;
pub use nar::Nar;
pub use nar_cache::{
    Codec, Compressed, CompressedCache, CompressedFile, Finished, GrowingNar, NarCache,
    NarCacheConfig, Prewarm, Warmed,
};
use rns_cache::{CacheError, Chunks, FilePart};
