//! By this a process that may write to an index learns that another one waits for its turn.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::locks;

/// A file beside the index. Those who wait hold a shared lock on it.
#[derive(Debug)]
pub(super) struct WaitFlag {
    index: PathBuf,
    file: OnceLock<File>,
}

/// Held by one who waits.
pub(super) struct RaisedFlag {
    _file: File,
}

impl WaitFlag {
    /// The flag of the index in this file.
    pub(super) fn beside(index: &Path) -> Self {
        Self { index: index.to_owned(), file: OnceLock::new() }
    }

    /// Says that this process waits, until the result is dropped.
    pub(super) fn raise(&self) -> io::Result<RaisedFlag> {
        let file = locks::open_wait_file(&self.index)?;
        file.lock_shared()?;
        Ok(RaisedFlag { _file: file })
    }

    /// Returns true if another process, or another connection of this one, waits.
    pub(super) fn is_raised(&self) -> bool {
        let file = match self.file.get() {
            Some(file) => file,
            None => match locks::open_wait_file(&self.index) {
                Ok(file) => self.file.get_or_init(|| file),
                Err(_) => return false,
            },
        };
        match file.try_lock() {
            Ok(()) => {
                _ = file.unlock();
                false
            }
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_raised_as_long_as_one_waits() {
        let directory = tempfile::tempdir().unwrap();
        let index = directory.path().join("index.sqlite");
        let (server, command) = (WaitFlag::beside(&index), WaitFlag::beside(&index));
        assert!(!server.is_raised());
        let (one, other) = (command.raise().unwrap(), command.raise().unwrap());
        assert!(server.is_raised());
        drop(one);
        assert!(server.is_raised());
        drop(other);
        assert!(!server.is_raised());
    }
}
