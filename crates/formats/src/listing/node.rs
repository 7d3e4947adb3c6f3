//! The tree that a listing describes.

use std::collections::BTreeMap;

/// The tree of an archive, as a `.ls` file tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NarListing {
    /// The node of the store path itself.
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
