//! What can be served: the local Nix store, read only. No HTTP here.

mod absence;
mod beneath;
mod chunks;
mod condition;
mod config;
pub mod daemon;
mod db;
mod debuginfo;
mod error;
mod exposure;
mod file_part;
mod files;
mod index;
mod known;
mod listing;
mod local;
mod log;
mod lookup;
mod nar;
mod nar_cache;
mod nar_index;
mod nowait;
mod numbers;
mod realisation;
mod resident;

pub use chunks::{Chunks, FileStream, Piece};
pub use config::{AbsentStore, StoreConfig, Verify};
pub use db::Witness;
pub use debuginfo::DebugFile;
pub use error::StoreError;
pub use exposure::{ExposureNumbers, ExposurePolicy, Pattern, PatternError};
pub use file_part::FilePart;
pub use files::{DirectoryEntry, EntryKind, Served, ServedDirectory, ServedFile};
pub use listing::Listing;
pub use local::LocalStore;
pub use log::{BuildLog, LogStream};
pub use lookup::{Doubt, Known};
pub use nar::{Nar, NarBody, NarStream};
pub use nar_cache::{
    AtHand, Codec, Compressed, CompressedBody, CompressedFile, Finished, Follower, Growing,
    NarCacheConfig, NarCacheNumbers, Warmed,
};
pub use numbers::StoreNumbers;
