//! What is in a directory.

use std::{collections::BinaryHeap, io, os::fd::BorrowedFd, sync::Arc};

use rns_formats::PathInfo;
use rustix::{
    fs::{self, AtFlags, Dir, FileType},
    io::Errno,
};

use super::ServedFile;
use crate::nar::{is_executable, size};

/// Entries listed of one directory.
const MOST_ENTRIES: usize = 10_000;

/// A directory inside a store path, or the store path itself.
pub struct ServedDirectory {
    /// What is registered of the store path around it.
    pub info: Arc<PathInfo>,
    /// The regular file `index.html` in it.
    pub index: Option<ServedFile>,
    /// What is in it, by name; empty where there is an index, which is shown instead.
    pub entries: Vec<DirectoryEntry>,
    /// Whether it has more entries than the 10,000 that are listed.
    pub truncated: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its name, not necessarily UTF-8.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Length in bytes of a regular file; 0 for others.
    pub size: u64,
}

/// What an entry of a directory is. Others than these are not listed.
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

/// The entries of a directory by name, and whether there are more.
pub(super) fn read(directory: BorrowedFd<'_>) -> io::Result<(Vec<DirectoryEntry>, bool)> {
    let (names, truncated) = first_names(directory)?;
    let mut entries = Vec::with_capacity(names.len());
    for name in names {
        let stat = match fs::statat(directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let (kind, size) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => (EntryKind::Directory, 0),
            FileType::RegularFile => {
                (EntryKind::File { executable: is_executable(stat.st_mode) }, size(&stat))
            }
            FileType::Symlink => (EntryKind::Symlink, 0),
            _ => continue,
        };
        entries.push(DirectoryEntry { name, kind, size });
    }
    Ok((entries, truncated))
}

/// The names that come first, without ever holding many more of them.
fn first_names(directory: BorrowedFd<'_>) -> io::Result<(Vec<Vec<u8>>, bool)> {
    let mut names = BinaryHeap::new();
    let mut truncated = false;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
        if names.len() > MOST_ENTRIES {
            names.pop();
            truncated = true;
        }
    }
    Ok((names.into_sorted_vec(), truncated))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd as _};

    use super::*;

    #[test]
    fn of_a_huge_directory_the_first_entries_are_listed() {
        let directory = tempfile::tempdir().unwrap();
        for number in (0..MOST_ENTRIES + 5).rev() {
            File::create(directory.path().join(format!("{number:05}"))).unwrap();
        }
        let opened = File::open(directory.path()).unwrap();
        let (entries, truncated) = read(opened.as_fd()).unwrap();
        assert!(truncated);
        assert_eq!(entries.len(), MOST_ENTRIES);
        assert_eq!(entries[0].name, b"00000");
        assert_eq!(entries[MOST_ENTRIES - 1].name, b"09999");

        for number in MOST_ENTRIES..MOST_ENTRIES + 5 {
            std::fs::remove_file(directory.path().join(format!("{number:05}"))).unwrap();
        }
        let (entries, truncated) = read(File::open(directory.path()).unwrap().as_fd()).unwrap();
        assert!(!truncated);
        assert_eq!(entries.len(), MOST_ENTRIES);
    }
}
