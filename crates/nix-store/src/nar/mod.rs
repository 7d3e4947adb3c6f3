//! The NAR of a store path: its layout, and any range of its bytes, straight from the files.

mod damage;
mod file_reader;
mod layouts;
mod read;
mod stamp;
mod stream;
mod tree;
mod walk;

use std::{ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
pub(crate) use rns_file_io::buffer::{BUFFER_BYTES, Buffer};
use rns_formats::{PathInfo, nar::NarLayout};

pub(crate) use self::{
    damage::of_path,
    layouts::{LayoutKey, Layouts},
    read::{HashCheck, NarSource, RangeReader},
    stamp::{RootStamp, TreeStamp},
    stream::{NarStream, OpenReader},
    tree::{DIRECTORY_FLAGS, FILE, PathRoot, Tree, is_executable, open_beneath, size},
};
use crate::CacheError;

/// A NAR that can be sent: its layout agrees with its row.
#[derive(Clone)]
pub struct Nar {
    pub(crate) row: i64,
    pub(crate) info: Arc<PathInfo>,
    pub(crate) layout: Arc<NarLayout>,
}

impl Nar {
    /// The row of the path.
    #[must_use]
    pub const fn info(&self) -> &Arc<PathInfo> {
        &self.info
    }

    /// Path and row.
    pub(crate) fn key(&self) -> LayoutKey {
        LayoutKey { hash: self.info.path.hash_part(), row: self.row }
    }

    /// The length of the NAR in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layout.nar_size()
    }

    /// Where everything is in it.
    #[must_use]
    pub const fn layout(&self) -> &Arc<NarLayout> {
        &self.layout
    }
}

/// Reads the layout of a path's NAR from the files, and compares its length with the registered one.
///
/// # Errors
/// `Damaged` when the files are gone, unreadable or not the registered ones.
pub(crate) fn read_layout(real_dir: &Path, info: &PathInfo) -> Result<NarLayout, CacheError> {
    let damaged = |why: String| CacheError::Damaged { path: info.path.clone(), why };
    let tree = Tree::open(real_dir, &info.path).map_err(|error| of_path(&info.path, error))?;
    let layout = walk::layout(&tree).map_err(|error| match error {
        walk::WalkError::Io(source) => {
            of_path(&info.path, CacheError::io("read", tree.path())(source))
        }
        walk::WalkError::Layout(error) => damaged(format!("its tree has no NAR: {error}")),
    })?;
    // Very old rows have no size.
    if info.nar_size != 0 && info.nar_size != layout.nar_size() {
        return Err(damaged(format!(
            "its NAR would have {} bytes, registered are {}",
            layout.nar_size(),
            info.nar_size
        )));
    }
    Ok(layout)
}

/// Reads a range whole, behind the bytes that are in the buffer already. Blocks.
///
/// # Errors
/// As [`RangeReader::fill`].
pub(crate) fn read_whole(mut reader: RangeReader, mut buffer: Buffer) -> Result<Bytes, CacheError> {
    buffer.fill_with(|room| reader.fill(room))?;
    Ok(buffer.into_bytes())
}

/// The range of the whole NAR.
#[must_use]
pub(crate) fn is_whole(range: &Range<u64>, layout: &NarLayout) -> bool {
    range.start == 0 && range.end == layout.nar_size()
}
