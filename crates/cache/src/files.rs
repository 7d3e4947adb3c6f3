//! Single files and directories inside a store path.

use std::sync::Arc;

use rns_formats::StorePath;

use crate::Blob;

/// A file or directory inside a store path.
pub enum Served {
    /// A regular file.
    File(ServedFile),
    /// A directory.
    Directory(ServedDirectory),
}

/// A regular file. It can be read to its end even when its path is collected meanwhile.
pub struct ServedFile {
    /// The name under which it was asked for, with replacement characters for bytes that are not UTF-8.
    pub name: String,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its bytes.
    pub contents: Arc<dyn Blob>,
}

/// A directory inside a store path, or the store path itself.
pub struct ServedDirectory {
    /// The store path around it.
    pub path: StorePath,
    /// The strong validator of the list without quotes.
    pub etag: String,
    /// The regular file `index.html` in it.
    pub index: Option<ServedFile>,
    /// Its entries, by name; empty where there is an index, which is shown instead.
    pub entries: Vec<DirectoryEntry>,
    /// Whether it has more entries than are listed.
    pub truncated: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its name, not necessarily UTF-8.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: EntryKind,
    /// Length in bytes of a regular file; 0 for others.
    pub size: u64,
}

/// The kind of a directory entry. Other kinds are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link.
    Symlink,
}
