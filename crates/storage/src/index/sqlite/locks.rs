//! Locks that a server and the commands beside it share: files beside the index.

use std::{
    fs::{DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rns_formats::Sha256Digest;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::spawn_blocking,
};

use crate::index::Exclusive;

/// Locks that all paths share, and as many that all NARs, and that all roots share.
const LOCKS: usize = 64;

pub(super) struct FileLocks {
    directory: PathBuf,
    /// Of several tasks of this process, one at a time waits for another process. The file stays open.
    slots: [Arc<Mutex<Option<File>>>; 3 * LOCKS],
}

/// A lock that is held. Dropped, it lets others have their turn.
pub(super) struct HeldFileLock(OwnedMutexGuard<Option<File>>);

impl Drop for HeldFileLock {
    fn drop(&mut self) {
        // A file that cannot be unlocked is unlocked when it is closed.
        if self.0.as_ref().is_some_and(|file| file.unlock().is_err()) {
            *self.0 = None;
        }
    }
}

impl FileLocks {
    /// The locks of an index in this file.
    pub(super) fn beside(index: &Path) -> Self {
        let directory = Self::directory_beside(index);
        Self { directory, slots: std::array::from_fn(|_| Arc::default()) }
    }

    /// The directory of the locks of an index in this file.
    pub(super) fn directory_beside(index: &Path) -> PathBuf {
        let mut directory = index.as_os_str().to_owned();
        directory.push(".locks");
        directory.into()
    }

    /// The lock, if no one holds it and its file is open. Never waits.
    pub(super) fn try_lock(&self, what: Exclusive<'_>) -> Option<HeldFileLock> {
        let turn = Arc::clone(self.slots.get(number(what))?).try_lock_owned().ok()?;
        turn.as_ref().is_some_and(is_locked_now).then(|| HeldFileLock(turn))
    }

    pub(super) async fn lock(&self, what: Exclusive<'_>) -> io::Result<HeldFileLock> {
        let number = number(what);
        let slot = self.slots.get(number).ok_or(io::ErrorKind::InvalidInput)?;
        let mut turn = Arc::clone(slot).lock_owned().await;
        // Mostly there is nothing to wait for: handing over to another thread would cost many times as much.
        if turn.as_ref().is_some_and(is_locked_now) {
            return Ok(HeldFileLock(turn));
        }
        let directory = self.directory.clone();
        // Another process may hold it for long: also threads that may block wait elsewhere.
        let locked = spawn_blocking(move || lock_file(&directory, number)).await;
        *turn = Some(locked.map_err(io::Error::other)??);
        Ok(HeldFileLock(turn))
    }
}

/// The place of a lock: many share it.
fn number(what: Exclusive<'_>) -> usize {
    match what {
        Exclusive::Path(hash) => first_byte(hash.as_bytes()),
        // An order of its own: one who holds a path may ask for a NAR.
        Exclusive::Nar(key) => {
            LOCKS + first_byte(Sha256Digest::of(key.as_str().as_bytes()).as_bytes())
        }
        Exclusive::Root(name) => {
            2 * LOCKS + first_byte(Sha256Digest::of(name.as_str().as_bytes()).as_bytes())
        }
    }
}

fn first_byte(bytes: &[u8]) -> usize {
    usize::from(bytes.first().copied().unwrap_or_default()) % LOCKS
}

/// Locks a file that is open, without waiting. One that was removed meanwhile locks nothing.
fn is_locked_now(file: &File) -> bool {
    match file.try_lock() {
        Ok(()) if file.metadata().is_ok_and(|found| found.nlink() > 0) => true,
        Ok(()) => {
            _ = file.unlock();
            false
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

fn lock_file(directory: &Path, number: usize) -> io::Result<File> {
    let file = open_file(directory, &number.to_string())?;
    file.lock()?;
    Ok(file)
}

/// Held by the one process that collects.
pub(super) struct CollectionHeld {
    _file: File,
}

/// Makes this process the only one that collects. `None`: another one is. Blocks for a moment.
pub(super) fn lock_collection(index: &Path) -> io::Result<Option<CollectionHeld>> {
    let file = open_file(&FileLocks::directory_beside(index), "collection")?;
    match file.try_lock() {
        Ok(()) => Ok(Some(CollectionHeld { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_file(directory: &Path, name: &str) -> io::Result<File> {
    let path = directory.join(name);
    let open = || File::options().write(true).create(true).truncate(false).open(&path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The directory of the index, where the index was never opened, and its own below.
            for directory in directory.parent().into_iter().chain([directory]) {
                match DirBuilder::new().mode(0o700).create(directory) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            open()
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::HashPart;

    use super::*;

    #[tokio::test]
    async fn another_process_waits_until_the_lock_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let index = directory.path().join("index.sqlite");
        let hash = HashPart::parse("0123456789abcdfghijklmnpqrsvwxyz").unwrap();
        // Two of them are as two processes: each opens the file itself.
        let (one, other) = (FileLocks::beside(&index), Arc::new(FileLocks::beside(&index)));
        let held = one.lock(Exclusive::Path(&hash)).await.unwrap();
        let waiting = tokio::spawn({
            let other = Arc::clone(&other);
            async move { other.lock(Exclusive::Path(&hash)).await.map(|_| ()) }
        });
        let path = directory.path().join("index.sqlite.locks");
        let number = first_byte(hash.as_bytes()).to_string();
        assert!(File::open(path.join(number)).unwrap().try_lock().is_err());
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_lock_file_that_was_removed_locks_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let index = directory.path().join("index.sqlite");
        let hash = HashPart::parse("0123456789abcdfghijklmnpqrsvwxyz").unwrap();
        let (one, other) = (FileLocks::beside(&index), FileLocks::beside(&index));
        for _ in 0..2 {
            drop(one.lock(Exclusive::Path(&hash)).await.unwrap());
        }
        std::fs::remove_dir_all(directory.path().join("index.sqlite.locks")).unwrap();
        let held = other.lock(Exclusive::Path(&hash)).await.unwrap();
        let file = held.0.as_ref().unwrap().metadata().unwrap();
        drop(held);
        let again = one.lock(Exclusive::Path(&hash)).await.unwrap();
        assert_eq!(again.0.as_ref().unwrap().metadata().unwrap().ino(), file.ino());
    }
}
