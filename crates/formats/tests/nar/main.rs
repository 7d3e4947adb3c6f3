//! Tests of archives, their layouts and their listings: against output of real Nix, with everything
//! that must be refused, and by properties that hold for every tree.

#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a helper of a test may fail loudly too"
)]

mod tree;

mod layout;
mod listing;
mod properties;
mod vectors;
