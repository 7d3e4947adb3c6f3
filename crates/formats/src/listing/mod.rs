//! Listings of archives: the `.ls` files of a binary cache.
//!
//! A listing is JSON, version 1: the tree without the contents, but with the offset in the archive
//! at which each file's contents begin, so that a single file can be had by a range request. Nix
//! writes them (`write-nar-listing`) and never reads them; indexers and web pages do.

mod read;
mod write;

use std::collections::BTreeMap;

use crate::nar::NarLayout;

/// The tree of an archive, as a `.ls` file tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NarListing {
    /// What the store path itself is.
    pub root: ListingNode,
}

/// A node of a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListingNode {
    /// A directory and its entries. The names are such as archives allow.
    Directory(BTreeMap<String, Self>),
    /// A regular file.
    Regular {
        /// Length in bytes.
        size: u64,
        /// Whether it is marked executable.
        executable: bool,
        /// Where in the uncompressed archive its contents begin, if the listing says so.
        nar_offset: Option<u64>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
}

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

/// Why something is not a listing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// It is not JSON, its JSON is not that of a listing, or it describes a tree that no archive
    /// can hold.
    #[error("this is not the listing of an archive: {0}")]
    Json(#[from] serde_json::Error),
    /// A later version, of which nothing is known.
    #[error("listings of version {0} are not known, only those of version 1")]
    Version(u64),
}

/// A tree has no listing, since JSON cannot hold one of its names or targets.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{}\", or where it points, is not UTF-8", .path.escape_ascii())]
pub struct NotUtf8 {
    /// Path below the root, with slashes, to the node in question.
    pub path: Box<[u8]>,
}
