//! The entries of a directory.

use std::{collections::BinaryHeap, io, os::fd::BorrowedFd};

use rns_cache::{DirectoryEntry, EntryKind};
use rustix::{
    fs::{self, AtFlags, Dir, FileType},
    io::Errno,
};

use crate::nar::{is_executable, size};

/// Entries listed of one directory.
const MAX_LISTED_ENTRIES: usize = 10_000;

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
        if names.len() > MAX_LISTED_ENTRIES {
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
        for number in (0..MAX_LISTED_ENTRIES + 5).rev() {
            File::create(directory.path().join(format!("{number:05}"))).unwrap();
        }
        let opened = File::open(directory.path()).unwrap();
        let (entries, truncated) = read(opened.as_fd()).unwrap();
        assert!(truncated);
        assert_eq!(entries.len(), MAX_LISTED_ENTRIES);
        assert_eq!(entries[0].name, b"00000");
        assert_eq!(entries[MAX_LISTED_ENTRIES - 1].name, b"09999");

        for number in MAX_LISTED_ENTRIES..MAX_LISTED_ENTRIES + 5 {
            std::fs::remove_file(directory.path().join(format!("{number:05}"))).unwrap();
        }
        let (entries, truncated) = read(File::open(directory.path()).unwrap().as_fd()).unwrap();
        assert!(!truncated);
        assert_eq!(entries.len(), MAX_LISTED_ENTRIES);
    }
}
