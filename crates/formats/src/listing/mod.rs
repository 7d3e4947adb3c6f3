//! Listings of archives: the `.ls` files of a binary cache.
//!
//! A listing is JSON, version 1: the tree without the contents, but with the offset in the archive
//! at which each file's contents begin, so that a single file can be had by a range request. Nix
//! writes them (`write-nar-listing`) and never reads them; indexers and web pages do.

mod node;
mod read;
mod write;

use crate::nar::NarLayout;

pub use self::node::{ListingNode, NarListing};
pub use self::read::ListingError;
pub use self::write::NotUtf8;

impl NarListing {
    /// Reads a `.ls` file. Members that are not known are passed over.
    ///
    /// # Errors
    ///
    /// When it is no JSON, no listing of version 1, or describes a tree that no archive can hold.
    pub fn parse(json: &[u8]) -> Result<Self, ListingError> {
        read::parse(json)
    }

    /// Writes the `.ls` file of an archive: compact JSON, entries by name, `executable` only where
    /// it is true.
    ///
    /// # Errors
    ///
    /// When a name or a target is not UTF-8: JSON could only say something else.
    pub fn to_json(layout: &NarLayout) -> Result<Vec<u8>, NotUtf8> {
        write::to_json(layout)
    }
}
