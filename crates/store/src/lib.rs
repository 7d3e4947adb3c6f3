//! What can be served: the local Nix store, read only. No HTTP here.

mod chunks;
mod condition;
mod config;
pub mod daemon;
mod db;
mod error;
mod index;
mod local;
mod nar;
mod nar_index;
mod realisation;

pub use chunks::{Chunks, FileStream};
pub use config::{AbsentStore, StoreConfig, Verify};
pub use error::StoreError;
pub use local::{LocalStore, StoreNumbers};
pub use nar::{Nar, NarBody, NarStream};
