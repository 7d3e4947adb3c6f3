//! Opening and reading files that the kernel has in memory, so that an event loop can do it itself.
//!
//! Handing a small read to another thread costs several times as much as the read. The kernel can be told to give up
//! where it would have to wait for a disk: `openat2` with `RESOLVE_CACHED` and `preadv2` with `RWF_NOWAIT`. After any
//! failure here the caller asks again on a thread that may wait, and learns the reason there.

use std::{
    io::IoSliceMut,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{self, Mode, OFlags, ResolveFlags},
    io::{self, Errno, ReadWriteFlags},
    path::Arg,
};

/// A file as far as it is known without waiting.
#[derive(Debug)]
pub enum CachedOpen {
    /// It is there.
    File(OwnedFd),
    /// There is no such file at this moment.
    Nothing,
    /// That takes waiting.
    Unknown,
}

/// One directory, and whether its file system can do this. Those that cannot (NFS, ZFS, overlays, an old kernel, a system
/// call filter) is asked once.
#[derive(Debug, Default)]
pub struct NonblockingIo {
    refused: AtomicBool,
}

impl NonblockingIo {
    /// A file system that cannot do it, for tests.
    #[doc(hidden)]
    #[must_use]
    pub const fn refused() -> Self {
        Self { refused: AtomicBool::new(true) }
    }

    /// Opens a file whose name and inode are in memory.
    pub fn open(
        &self,
        directory: BorrowedFd<'_>,
        name: impl Arg,
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> Option<OwnedFd> {
        match self.find(directory, name, flags, resolve) {
            CachedOpen::File(file) => Some(file),
            CachedOpen::Nothing | CachedOpen::Unknown => None,
        }
    }

    /// The same, and tells a file that is not there: the kernel remembers such names too.
    pub fn find(
        &self,
        directory: BorrowedFd<'_>,
        name: impl Arg,
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> CachedOpen {
        if self.refused.load(Ordering::Relaxed) {
            return CachedOpen::Unknown;
        }
        let resolve = resolve | ResolveFlags::CACHED;
        match fs::openat2(directory, name, flags, Mode::empty(), resolve) {
            Err(Errno::NOENT) => CachedOpen::Nothing,
            result => self.note(result).map_or(CachedOpen::Unknown, CachedOpen::File),
        }
    }

    /// Reads from `offset` on the bytes that are in memory, as far as `room` goes, and returns their number. 0 at the
    /// end of the file and where the rest would have to be waited for.
    pub fn read(&self, file: impl AsFd, room: &mut [u8], offset: u64) -> usize {
        let mut filled = 0;
        while let Some(left) = room.get_mut(filled..).filter(|left| !left.is_empty()) {
            if self.refused.load(Ordering::Relaxed) {
                break;
            }
            let mut left = [IoSliceMut::new(left)];
            let offset = offset + filled as u64;
            match io::preadv2(&file, &mut left, offset, ReadWriteFlags::NOWAIT) {
                Err(Errno::INTR) => {}
                read => match self.note(read) {
                    Some(0) | None => break,
                    Some(read) => filled += read,
                },
            }
        }
        filled
    }

    fn note<T>(&self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                self.refused.store(true, Ordering::Relaxed);
                None
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, write};

    use super::*;

    #[test]
    fn what_is_in_memory_is_opened_and_read() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path().join("x"), "contents").unwrap();
        let (nonblocking_io, opened) =
            (NonblockingIo::default(), File::open(directory.path()).unwrap());
        let file = nonblocking_io
            .open(opened.as_fd(), "x", OFlags::RDONLY, ResolveFlags::BENEATH)
            .unwrap();
        let mut room = [0; 20];
        let read = nonblocking_io.read(&file, &mut room, 3);
        // Not every file system can do it; those that cannot say so.
        assert!(&room[..read] == b"tents" || nonblocking_io.refused.load(Ordering::Relaxed));
        assert_eq!(nonblocking_io.read(&file, &mut room, 8), 0);
    }

    #[test]
    fn what_cannot_be_opened_is_left_to_those_who_can_say_why() {
        let directory = tempfile::tempdir().unwrap();
        let (nonblocking_io, opened) =
            (NonblockingIo::default(), File::open(directory.path()).unwrap());
        let missing =
            nonblocking_io.open(opened.as_fd(), "x", OFlags::RDONLY, ResolveFlags::BENEATH);
        assert!(missing.is_none());
        assert!(
            !nonblocking_io.refused.load(Ordering::Relaxed),
            "a missing file says nothing of others"
        );
    }
}
