//! Roots of the garbage collector: links to store paths below a folder of Nix's `gcroots`.
//!
//! ```text
//! /nix/var/nix/gcroots/rust-nix-serve/
//!   pushed/token+ci/<hash>-<name>          → /nix/store/<hash>-<name>    as long as the time of the link says
//!   promised/<hash>-<name>                 → …                           the same
//!   named/project/main.json                the revisions of the root `project/main`
//!   named/project/main~3/<hash>-<name>     → …                           the paths of its third one
//!   cache/NAME/…                           the same of a named cache
//! ```
//!
//! Nix follows these links without being told of them. A link holds its path from the next collection on; from one that is
//! running, only a temporary root protects.
//!
//! - `group`: names of groups of pushed paths; [`cache_folder`]
//! - `pushed`: paths that are kept for a time
//! - `named`: roots that clients set; `named_files`: their files and links

mod group;
mod named;
mod named_files;
mod pushed;

pub use self::{
    group::{CACHES_FOLDER, RootGroup, cache_folder},
    named::NamedRoots,
    pushed::{GcRoot, GcRoots},
};
