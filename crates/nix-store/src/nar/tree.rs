//! The files of one store path, opened relative to descriptors and never through a symbolic link.
//!
//! `O_NOFOLLOW` guards only the last component of a name, so every open asks the kernel to resolve
//! the whole name beneath the store path without symbolic links. Where `openat2` is not to be had
//! (a kernel before 5.6, a system call filter), the components are opened one after another.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rns_formats::StorePath;
use rustix::{
    fs::{self, CWD, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use crate::{CacheError, file_io::nonblocking_io::NonblockingIo};

/// Set once the kernel has refused `openat2`.
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

pub(crate) const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);
pub(crate) const DIRECTORY_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::DIRECTORY);

/// No way out of a directory, and no symbolic link on the way.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The root of a store path on disk.
pub(crate) enum PathRoot {
    /// A directory.
    Directory(OwnedFd),
    /// A regular file; it is opened by its path.
    Regular { executable: bool, size: u64 },
    /// A symbolic link with this target.
    Symlink(Vec<u8>),
}

/// One store path on disk.
pub(crate) struct Tree {
    store_path: StorePath,
    path: PathBuf,
    pub(crate) root: PathRoot,
    /// A regular file that was opened on the way.
    opened: Option<OwnedFd>,
}

impl Tree {
    /// Opens the store path below `real_dir`.
    ///
    /// # Errors
    /// `Io`; `is_not_found` when nothing is there.
    pub(crate) fn open(real_dir: &Path, store_path: &StorePath) -> Result<Self, CacheError> {
        let path = real_dir.join(store_path.as_str());
        let root = open_root(&path).map_err(CacheError::io("open", &path))?;
        Ok(Self { store_path: store_path.clone(), path, root, opened: None })
    }

    /// The same for a thread that must not wait. `None` when it would have to, and for a path that is a symbolic link.
    pub(crate) fn open_now(
        real_dir: &Path,
        store_path: &StorePath,
        nonblocking_io: &NonblockingIo,
    ) -> Option<Self> {
        let path = real_dir.join(store_path.as_str());
        let opened = nonblocking_io.open(CWD, &path, FILE, ResolveFlags::empty())?;
        let stat = fs::fstat(&opened).ok()?;
        let (root, opened) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => (PathRoot::Directory(opened), None),
            FileType::RegularFile => {
                let executable = is_executable(stat.st_mode);
                (PathRoot::Regular { executable, size: size(&stat) }, Some(opened))
            }
            _ => return None,
        };
        Some(Self { store_path: store_path.clone(), path, root, opened })
    }

    /// Where the path is on disk.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which store path this is.
    pub(crate) const fn store_path(&self) -> &StorePath {
        &self.store_path
    }

    /// Opens the regular file at `name`, components separated by `/`; empty for a store path that is
    /// a file itself.
    pub(crate) fn open_file(&self, name: &[u8]) -> io::Result<OwnedFd> {
        match &self.root {
            PathRoot::Directory(directory) if !name.is_empty() => {
                open_beneath(directory.as_fd(), name, FILE)
            }
            PathRoot::Regular { .. } if name.is_empty() => {
                Ok(fs::open(&self.path, FILE, Mode::empty())?)
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The same for a thread that must not wait. `None` when it would have to, or when the file cannot be opened.
    pub(crate) fn open_file_now(
        &mut self,
        name: &[u8],
        nonblocking_io: &NonblockingIo,
    ) -> Option<OwnedFd> {
        match &self.root {
            PathRoot::Regular { .. } if name.is_empty() && self.opened.is_some() => {
                self.opened.take()
            }
            PathRoot::Directory(directory) if !name.is_empty() => {
                nonblocking_io.open(directory.as_fd(), name, FILE, BENEATH)
            }
            PathRoot::Regular { .. } if name.is_empty() => {
                nonblocking_io.open(CWD, &self.path, FILE, ResolveFlags::empty())
            }
            _ => None,
        }
    }
}

fn open_root(path: &Path) -> io::Result<PathRoot> {
    let stat = fs::lstat(path)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            Ok(PathRoot::Directory(fs::open(path, DIRECTORY_FLAGS, Mode::empty())?))
        }
        FileType::RegularFile => {
            Ok(PathRoot::Regular { executable: is_executable(stat.st_mode), size: size(&stat) })
        }
        FileType::Symlink => Ok(PathRoot::Symlink(fs::readlink(path, Vec::new())?.into_bytes())),
        _ => Err(io::Error::other("neither a file nor a directory nor a symbolic link")),
    }
}

/// Only the owner's execute bit counts in a NAR.
pub(crate) const fn is_executable(mode: u32) -> bool {
    mode & 0o100 != 0
}

/// A file's size; `stat` reports no negative one.
pub(crate) const fn size(stat: &fs::Stat) -> u64 {
    stat.st_size.cast_unsigned()
}

/// Opens a directory that is an entry of `parent`.
pub(crate) fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(fs::openat(parent, name, DIRECTORY_FLAGS, Mode::empty())?)
}

/// Opens `name` beneath `directory` without following any symbolic link.
pub(crate) fn open_beneath(
    directory: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
) -> io::Result<OwnedFd> {
    if !NO_OPENAT2.load(Ordering::Relaxed) {
        match fs::openat2(directory, name, flags, Mode::empty(), BENEATH) {
            Ok(file) => return Ok(file),
            Err(Errno::NOSYS | Errno::PERM) => NO_OPENAT2.store(true, Ordering::Relaxed),
            Err(error) => return Err(error.into()),
        }
    }
    open_component_wise(directory, name, flags)
}

fn open_component_wise(
    directory: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let mut components = name.split(|&byte| byte == b'/').peekable();
    let mut current: Option<OwnedFd> = None;
    while let Some(component) = components.next() {
        if component.is_empty() || component == b"." || component == b".." {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let parent = current.as_ref().map_or(directory, |fd| fd.as_fd());
        let flags = if components.peek().is_some() { DIRECTORY_FLAGS } else { flags };
        current = Some(fs::openat(parent, component, flags, Mode::empty())?);
    }
    current.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
