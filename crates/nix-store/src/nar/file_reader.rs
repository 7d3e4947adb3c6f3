//! The files of a NAR: opened as their bytes are wanted, and compared with the layout.

use std::{io, os::fd::OwnedFd, sync::Arc};

use rns_formats::nar::NarLayout;
use rustix::{fs::FileType, io::Errno};

use super::{
    damage::of_path,
    tree::{self, Tree},
};
use crate::{
    CacheError,
    file_io::{file_time::FileTime, nonblocking_io::NonblockingIo},
};

/// Reads the files of a NAR, one after the other.
pub(super) struct NarFileReader {
    layout: Arc<NarLayout>,
    tree: Tree,
    nonblocking_io: Arc<NonblockingIo>,
    open: Option<OpenFile>,
    /// The latest change of a file, since it was last asked for.
    changed: Option<LastChange>,
}

struct OpenFile {
    index: usize,
    file: OwnedFd,
}

/// When a file was last changed. The latest is the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LastChange {
    /// At this time.
    At(FileTime),
    /// The system does not say.
    Unknown,
}

impl NarFileReader {
    pub(super) const fn new(
        layout: Arc<NarLayout>,
        tree: Tree,
        nonblocking_io: Arc<NonblockingIo>,
    ) -> Self {
        Self { layout, tree, nonblocking_io, open: None, changed: None }
    }

    /// The latest change of the files that were looked at since the last call.
    pub(super) const fn take_change(&mut self) -> Option<LastChange> {
        self.changed.take()
    }

    /// Gives up the file of which there is more to read, for [`Self::resume`].
    pub(super) fn pause(&mut self) -> PausedFile {
        PausedFile(self.open.take())
    }

    pub(super) fn resume(&mut self, paused: PausedFile) {
        self.open = paused.0;
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Fills `target` with the bytes of a file from `offset` on. With `look_again`, a file that was read to its end is
    /// asked once more when it was changed. Blocks.
    ///
    /// # Errors
    /// `Damaged` when the file is not the registered one, `Gone` when it was removed, `Io` when it cannot be read.
    pub(super) fn read(
        &mut self,
        target: &mut [u8],
        index: usize,
        offset: u64,
        look_again: bool,
    ) -> Result<(), CacheError> {
        let end = offset + target.len() as u64;
        let (file, is_new) = match self.open.take() {
            Some(open) if open.index == index => (open.file, false),
            _ => (self.open_file(index)?, true),
        };
        let read = self.read_from(&file, target, index, offset);
        if is_new {
            // One look behind the read is of the whole of a short file. It also explains a failed read best.
            self.accept(&file, index)?;
        }
        read?;
        self.keep_or_close(file, index, end, look_again && !is_new);
        Ok(())
    }

    /// The same with the bytes that the kernel has in memory. Returns how many these are.
    pub(super) fn read_now(
        &mut self,
        target: &mut [u8],
        index: usize,
        offset: u64,
        look_again: bool,
    ) -> usize {
        let (opened, is_new) = match self.open.take() {
            Some(open) if open.index == index => (Some(open.file), false),
            _ => (self.open_file_now(index), true),
        };
        let Some(file) = opened else { return 0 };
        let read = self.nonblocking_io.read(&file, target, offset);
        if is_new && self.accept(&file, index).is_err() {
            return 0;
        }
        self.keep_or_close(file, index, offset + read as u64, look_again && !is_new);
        read
    }

    fn read_from(
        &self,
        file: &OwnedFd,
        mut target: &mut [u8],
        index: usize,
        mut offset: u64,
    ) -> Result<(), CacheError> {
        while !target.is_empty() {
            match rustix::io::pread(file, &mut *target, offset) {
                Ok(0) => {
                    return Err(self.damaged(format!("{} became shorter", self.display(index))));
                }
                Ok(read) => {
                    offset += read as u64;
                    target = target.get_mut(read..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.refused("read", index, error.into())),
            }
        }
        Ok(())
    }

    /// An error that says how the path differs from its row.
    pub(super) fn damaged(&self, why: String) -> CacheError {
        CacheError::Damaged { path: self.tree.store_path().clone(), why }
    }

    fn keep_or_close(&mut self, file: OwnedFd, index: usize, offset: u64, look_again: bool) {
        if self.layout.file(index).is_some_and(|slice| offset < slice.size) {
            self.open = Some(OpenFile { index, file });
        } else if look_again {
            self.note(
                rustix::fs::fstat(&file)
                    .map_or(LastChange::Unknown, |stat| LastChange::At(FileTime::changed(&stat))),
            );
        }
    }

    fn note(&mut self, change: LastChange) {
        self.changed = self.changed.max(Some(change));
    }

    fn open_file(&self, index: usize) -> Result<OwnedFd, CacheError> {
        let opened = self.tree.open_file(&self.name(index));
        opened.map_err(|error| self.refused("open", index, error))
    }

    fn open_file_now(&mut self, index: usize) -> Option<OwnedFd> {
        let name = self.name(index);
        self.tree.open_file_now(&name, &self.nonblocking_io)
    }

    /// Refuses a file that does not agree with the layout, and notes when it was changed.
    fn accept(&mut self, file: &OwnedFd, index: usize) -> Result<(), CacheError> {
        let stat =
            rustix::fs::fstat(file).map_err(|error| self.refused("stat", index, error.into()))?;
        let expected = self.layout.file(index).map_or(0, |slice| slice.size);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || tree::size(&stat) != expected
        {
            return Err(self.damaged(format!(
                "{} is not a file of {expected} bytes any more",
                self.display(index)
            )));
        }
        self.note(LastChange::At(FileTime::changed(&stat)));
        Ok(())
    }

    fn refused(&self, doing: &'static str, index: usize, source: io::Error) -> CacheError {
        let path = self.tree.path().join(self.display(index));
        of_path(self.tree.store_path(), CacheError::io(doing, path)(source))
    }

    fn name(&self, index: usize) -> Vec<u8> {
        self.layout.file_path(index).unwrap_or_default().join(&b'/')
    }

    fn display(&self, index: usize) -> String {
        String::from_utf8_lossy(&self.name(index)).into_owned()
    }
}

/// The file at which reading was interrupted.
pub(super) struct PausedFile(Option<OpenFile>);
