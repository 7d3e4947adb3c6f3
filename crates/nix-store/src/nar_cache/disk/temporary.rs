//! A file that is being written.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::{CachedFile, Disk, DiskEntry, FileCheck, now};
use crate::nar_cache::file_name::{self, CompressedFile, TEMPORARY};

/// Distinguishes the temporary files of this process.
static TEMPORARY_NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file without its name yet; gone when it is dropped. It is locked, so that a process that finds it knows that its
/// writer lives.
pub(in crate::nar_cache) struct Temporary<'a> {
    disk: &'a Disk,
    path: PathBuf,
    open: Arc<OwnedFd>,
    writer: File,
    written: u64,
    renamed: bool,
}

impl Disk {
    /// An empty file, in the directory, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(in crate::nar_cache) fn temporary(&self) -> io::Result<Temporary<'_>> {
        let number = TEMPORARY_NUMBER.fetch_add(1, Ordering::Relaxed);
        // Another server may have the same process id, in another container.
        let name = format!("{TEMPORARY}{}-{}-{number}", std::process::id(), now());
        let path = self.directory.join(name);
        let writer = match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.directory)?;
                create(&path)?
            }
            created => created?,
        };
        _ = flock(&writer, FlockOperation::NonBlockingLockExclusive);
        let open = Arc::new(writer.try_clone()?.into());
        Ok(Temporary { disk: self, path, open, writer, written: 0, renamed: false })
    }

    /// Gives a complete temporary file its name. Others go when there is not enough room.
    ///
    /// # Errors
    /// When it cannot be renamed, as when the directory was deleted.
    pub(in crate::nar_cache) fn keep(
        &self,
        tag: &str,
        temporary: Temporary<'_>,
        file: CompressedFile,
    ) -> io::Result<CachedFile> {
        let name = file_name::print(tag, &file);
        let open = Arc::clone(temporary.file());
        let check = FileCheck::done(&open)?;
        temporary.rename(&self.directory.join(&name))?;
        let now = now();
        self.enter(tag.into(), DiskEntry { file, used: now, touched: now, check: Arc::new(check) });
        self.make_room();
        Ok(CachedFile { file, name: name.into(), open })
    }
}

fn create(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // The umask says which others may read it; a proxy may be let in by its group.
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o640))?.into())
}

impl Temporary<'_> {
    /// The file, to be read while it grows.
    pub(in crate::nar_cache) const fn file(&self) -> &Arc<OwnedFd> {
        &self.open
    }

    /// Appends.
    ///
    /// # Errors
    /// When the disk is full, or the cache would be.
    pub(in crate::nar_cache) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        if !self.disk.grow(bytes.len() as u64) {
            return Err(io::Error::other("more is being compressed than the cache may hold"));
        }
        self.writer.write_all(bytes)
    }

    pub(super) fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        self.disk.growing.fetch_sub(self.written, Ordering::Relaxed);
        if !self.renamed {
            _ = fs::remove_file(&self.path);
        }
    }
}
