//! What can be served: the local Nix store, read only. No HTTP here.

mod chunks;
mod config;
pub mod daemon;
mod db;
mod debuginfo;
mod error;
mod exposure;
mod file_part;
mod files;
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
mod resolve_beneath;
mod row_cache;
mod stats;

pub use chunks::{Chunks, FileStream, Piece};
pub use config::{AbsentStore, StoreConfig, Verify};
pub use db::Witness;
pub use debuginfo::DebugFile;
pub use error::StoreError;
pub use exposure::{ExposurePolicy, ExposureStats, Pattern, PatternError};
pub use file_part::FilePart;
pub use files::{DirectoryEntry, EntryKind, Served, ServedDirectory, ServedFile};
pub use listing::Listing;
pub use local::LocalStore;
pub use log::{BuildLog, LogStream};
pub use lookup::{Doubt, Known};
pub use nar::{Nar, NarBody, NarStream};
pub use nar_cache::{
    Codec, Compressed, CompressedBody, CompressedFile, Finished, GrowingNar, InMemory,
    NarCacheConfig, NarCacheStats, TailReader, Warmed,
};
pub use stats::StoreStats;
