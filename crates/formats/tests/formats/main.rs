//! Tests of the textual formats: against output and verdicts of real Nix, with awkward input,
//! and by properties that hold for every value.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a helper of a test may fail loudly too"
)]

mod arbitrary;
mod vectors;

mod cache_info;
mod compression;
mod content_address;
mod hash;
mod keys;
mod narinfo;
mod narinfo_mutations;
mod nix32;
mod path_info;
mod realisation;
mod signature;
mod store_path;
