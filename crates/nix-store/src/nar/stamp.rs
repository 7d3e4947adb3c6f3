//! The state of a store path's files, to notice that they have changed: without reading their contents.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
};

use rns_formats::StorePath;
use rustix::{
    fs::{self, AtFlags, FileType, Stat},
    io::Errno,
};

use super::{tree, walk::sorted_names};
use crate::file_io::file_time::FileTime;

/// Levels of directories that are looked at; NARs have no more.
const MAX_TREE_DEPTH: usize = 64;

/// The state of the root alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootStamp {
    /// Something is there: device, inode, and when it was changed.
    There { device: u64, inode: u64, changed: FileTime },
    /// Nothing that can be looked at.
    Refused(i32),
}

impl RootStamp {
    /// Looks at the root of a store path. Blocks.
    pub(crate) fn of(real_dir: &Path, path: &StorePath) -> Self {
        match fs::lstat(real_dir.join(path.as_str())) {
            Ok(stat) => Self::There {
                device: stat.st_dev,
                inode: stat.st_ino,
                changed: FileTime::changed(&stat),
            },
            Err(error) => Self::Refused(error.raw_os_error()),
        }
    }
}

/// The state of all files of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeStamp {
    pub(crate) root: RootStamp,
    /// Stands for names, kinds, inodes, sizes and times of everything, and for everything that could not be read.
    pub(crate) digest: u64,
    /// When anything of it was last changed.
    pub(crate) changed: FileTime,
}

impl TreeStamp {
    /// Looks at everything below a store path. Blocks.
    pub(crate) fn of(real_dir: &Path, path: &StorePath) -> Self {
        let root = RootStamp::of(real_dir, path);
        let mut walk = Walk { hasher: DefaultHasher::new(), changed: FileTime::NEVER };
        match fs::lstat(real_dir.join(path.as_str())) {
            Ok(stat) => {
                walk.entry(&stat);
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    let opened = fs::open(
                        real_dir.join(path.as_str()),
                        tree::DIRECTORY_FLAGS,
                        fs::Mode::empty(),
                    );
                    walk.found(opened, |walk, directory| walk.directory(directory.as_fd(), 1));
                }
            }
            Err(error) => walk.refused(error),
        }
        Self { root, digest: walk.hasher.finish(), changed: walk.changed }
    }
}

struct Walk {
    hasher: DefaultHasher,
    changed: FileTime,
}

impl Walk {
    fn directory(&mut self, directory: BorrowedFd<'_>, depth: usize) {
        let names = match sorted_names(directory) {
            Ok(names) => names,
            Err(error) => return error.raw_os_error().hash(&mut self.hasher),
        };
        for name in names {
            name.hash(&mut self.hasher);
            let stat = fs::statat(directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW);
            self.found(stat, |walk, stat| {
                walk.entry(&stat);
                if depth < MAX_TREE_DEPTH
                    && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                {
                    match tree::open_directory(directory, &name) {
                        Ok(child) => walk.directory(child.as_fd(), depth + 1),
                        Err(error) => error.raw_os_error().hash(&mut walk.hasher),
                    }
                }
            });
        }
    }

    fn found<T>(&mut self, result: Result<T, Errno>, then: impl FnOnce(&mut Self, T)) {
        match result {
            Ok(found) => then(self, found),
            Err(error) => self.refused(error),
        }
    }

    fn entry(&mut self, stat: &Stat) {
        let changed = FileTime::changed(stat);
        self.changed = self.changed.max(changed);
        (stat.st_mode, stat.st_ino, stat.st_size, stat.st_ctime, stat.st_ctime_nsec)
            .hash(&mut self.hasher);
    }

    fn refused(&mut self, error: Errno) {
        error.raw_os_error().hash(&mut self.hasher);
    }
}
