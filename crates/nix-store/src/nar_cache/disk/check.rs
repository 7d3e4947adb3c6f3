//! Whether a file agrees with its name.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
};

use rns_formats::Sha256Hasher;
use rustix::{fs::fstat, io::Errno};

use crate::nar_cache::file_name::CompressedFile;

/// Remembers in which state the file was last found right. Its contents are read when that state is not known (once
/// after a start) or has changed: a client would otherwise append wrong bytes to those it has, and could
/// not get rid of it.
#[derive(Debug)]
pub(super) struct FileCheck(Mutex<Option<FileState>>);

/// Inode, length, and time of the last change of the contents.
type FileState = (u64, u64, i64, i64);

impl FileCheck {
    /// Nothing is known yet.
    pub(super) const fn pending() -> Self {
        Self(Mutex::new(None))
    }

    /// The file was written just now.
    pub(super) fn done(file: &OwnedFd) -> io::Result<Self> {
        Ok(Self(Mutex::new(Some(state(file)?))))
    }

    /// Whether the file is known to be right. Never waits for a check that is under way.
    pub(super) fn is_done(&self, file: &OwnedFd) -> bool {
        let known = self.0.try_lock().ok().and_then(|known| *known);
        known.is_some() && state(file).ok() == known
    }

    /// Checks a file.
    ///
    /// # Errors
    /// The fault.
    pub(super) fn run(&self, file: &OwnedFd, expected: &CompressedFile) -> io::Result<()> {
        let now = state(file)?;
        if now.1 != expected.size {
            return Err(wrong(format!("it has {} bytes instead of {}", now.1, expected.size)));
        }
        // Another reader of the same file meanwhile waits for the result.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == Some(now) {
            return Ok(());
        }
        let mut hasher = Sha256Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        let mut offset = 0;
        loop {
            match rustix::io::pread(file, &mut buffer, offset) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(buffer.get(..read).unwrap_or_default());
                    offset += read as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if hasher.finish() != expected.hash {
            return Err(wrong("its contents have changed".to_owned()));
        }
        *known = Some(now);
        Ok(())
    }
}

fn state(file: &OwnedFd) -> io::Result<FileState> {
    let stat = fstat(file)?;
    Ok((stat.st_ino, stat.st_size.cast_unsigned(), stat.st_mtime, stat.st_mtime_nsec.cast_signed()))
}

fn wrong(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
