//! By this a process that may write to an index learns that another one waits for its turn.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    file_beside::{create_for_owner, has_name},
    locks::FileLocks,
};

/// A file beside the index. A process that waits holds a shared lock on it.
#[derive(Debug)]
pub(super) struct WaitFlag {
    index: PathBuf,
    /// Where this process looks at it.
    file: Mutex<Option<File>>,
}

/// Held by a process that waits.
pub(super) struct RaisedFlag {
    _file: File,
}

impl WaitFlag {
    /// The flag of the index in this file.
    pub(super) fn beside(index: &Path) -> Self {
        Self { index: index.to_owned(), file: Mutex::default() }
    }

    fn path(&self) -> PathBuf {
        FileLocks::directory_beside(&self.index).join("waiting")
    }

    /// Says that this process waits, until the result is dropped. Fails where no process looks at the flag.
    pub(super) fn raise(&self) -> io::Result<RaisedFlag> {
        let file = File::open(self.path())?;
        file.lock_shared()?;
        Ok(RaisedFlag { _file: file })
    }

    /// Returns true if another process, or another connection of this one, waits.
    pub(super) fn is_raised(&self) -> bool {
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path();
        if !slot.as_ref().is_some_and(|file| has_name(file, &path)) {
            // Before there are locks beside the index, there is no directory for it.
            *slot = create_for_owner(&path, &self.index).ok();
        }
        let Some(file) = &*slot else { return false };
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
        File::create(&index).unwrap();
        std::fs::create_dir(FileLocks::directory_beside(&index)).unwrap();
        let (server, command) = (WaitFlag::beside(&index), WaitFlag::beside(&index));
        assert!(!server.is_raised());
        let (one, other) = (command.raise().unwrap(), command.raise().unwrap());
        assert!(server.is_raised());
        drop(one);
        assert!(server.is_raised());
        drop(other);
        assert!(!server.is_raised());
    }

    #[test]
    fn a_command_that_comes_before_the_server_leaves_no_directory_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let index = directory.path().join("index.sqlite");
        File::create(&index).unwrap();
        let flag = WaitFlag::beside(&index);
        assert!(!flag.is_raised());
        assert!(flag.raise().is_err());
        assert!(!FileLocks::directory_beside(&index).exists());
    }
}
