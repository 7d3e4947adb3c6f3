//! Directories in which something was looked for, and whether they have changed since.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::file_io::file_time::FileTime;

/// Directories as they were before anything was looked for in them.
#[derive(Default)]
pub(super) struct Directories(HashMap<PathBuf, Option<DirectoryStamp>>);

/// Changes with every name in a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
struct DirectoryStamp {
    device: u64,
    inode: u64,
    changed: FileTime,
}

impl Directories {
    /// Whether nothing has changed in them since this time, when they began to be noted.
    pub(super) fn are_as_before(&self, since: FileTime) -> bool {
        self.0.iter().all(|(directory, before)| {
            // One that was changed while it was read may have been changed twice.
            let is_settled = before.is_none_or(|stamp| !stamp.changed.may_be_since(since));
            is_settled && DirectoryStamp::of(directory) == *before
        })
    }

    /// To be called before anything is looked for in the directory.
    pub(super) fn note(&mut self, directory: &Path) {
        if !self.0.contains_key(directory) {
            self.0.insert(directory.to_owned(), DirectoryStamp::of(directory));
        }
    }
}

impl DirectoryStamp {
    /// `None` while it cannot be reached.
    fn of(directory: &Path) -> Option<Self> {
        let stat = rustix::fs::stat(directory).ok()?;
        Some(Self { device: stat.st_dev, inode: stat.st_ino, changed: FileTime::changed(&stat) })
    }
}
