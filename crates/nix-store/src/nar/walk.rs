//! From the files of a store path to the layout of its NAR, without reading their contents.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

use rns_formats::nar::{LayoutBuilder, LayoutError, NarLayout, NarLimits};
use rustix::fs::{self, AtFlags, Dir, FileType};

use super::tree::{self, PathRoot, Tree};

/// Walks the tree once.
///
/// # Errors
/// A tree that the file system or the rules of the format refuse: it is not the registered one.
pub(crate) fn layout(tree: &Tree) -> Result<NarLayout, WalkError> {
    let mut builder = LayoutBuilder::new(NarLimits::default());
    match &tree.root {
        PathRoot::Directory(directory) => {
            builder.enter_directory()?;
            walk(&mut builder, directory.as_fd())?;
            builder.leave_directory()?;
        }
        PathRoot::Regular { executable, size } => builder.regular(*executable, *size)?,
        PathRoot::Symlink(target) => builder.symlink(target)?,
    }
    Ok(builder.finish()?)
}

/// Why a tree has no layout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Layout(#[from] LayoutError),
}

impl From<rustix::io::Errno> for WalkError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// The builder refuses trees deeper than the format allows, which bounds this recursion and the
/// descriptors it holds.
fn walk(builder: &mut LayoutBuilder, directory: BorrowedFd<'_>) -> Result<(), WalkError> {
    for name in sorted_names(directory)? {
        builder.entry(&name)?;
        let stat = fs::statat(directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                builder.regular(tree::is_executable(stat.st_mode), tree::size(&stat))?
            }
            FileType::Symlink => {
                let target = fs::readlinkat(directory, name.as_slice(), Vec::new())?;
                builder.symlink(target.as_bytes())?;
            }
            FileType::Directory => {
                let child = tree::open_directory(directory, &name)?;
                builder.enter_directory()?;
                walk(builder, child.as_fd())?;
                builder.leave_directory()?;
            }
            _ => {
                return Err(
                    io::Error::other("neither a file nor a directory nor a symbolic link").into()
                );
            }
        }
    }
    Ok(())
}

/// The names in a directory in the order of the format: by their bytes.
pub(super) fn sorted_names(directory: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}
