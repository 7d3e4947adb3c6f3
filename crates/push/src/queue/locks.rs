//! Locks beside a queue: they tell who works on it, and end with the process that holds them.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{error::QueueError, queue_file::Queue};

/// Held while a queue is drained by one program at a time, or while a daemon takes care of it.
pub struct QueueLock(
    #[expect(dead_code, reason = "the lock is given back when the file is closed")] File,
);

impl Queue {
    /// Waits until no other program drains the queue, and calls `waits` before it does. Blocks.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn lock_draining(&self, waits: impl FnOnce()) -> Result<QueueLock, QueueError> {
        let lock = open(self.beside("lock")).map_err(self.io_failed())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waits();
                lock.lock().map_err(self.io_failed())?;
            }
            Err(TryLockError::Error(error)) => return Err(self.io_failed()(error)),
        }
        Ok(QueueLock(lock))
    }

    /// Shows to others, as long as the lock is held, that a daemon takes care of the queue. There may be several.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn mark_daemon(&self) -> Result<QueueLock, QueueError> {
        let mark = open(self.beside("daemon")).and_then(|mark| mark.lock_shared().map(|()| mark));
        mark.map(QueueLock).map_err(self.io_failed())
    }

    /// Returns true if a daemon takes care of the queue now.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn has_daemon(&self) -> Result<bool, QueueError> {
        // The mark of another question at the same moment would look like that of a daemon. A file of its own would
        // belong to the first user who asks. It is closed last.
        let directory = self.file().parent().filter(|parent| !parent.as_os_str().is_empty());
        let turn =
            File::open(directory.unwrap_or_else(|| Path::new("."))).map_err(self.io_failed())?;
        turn.lock().map_err(self.io_failed())?;
        let mark = match File::open(self.beside("daemon")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            mark => mark.map_err(self.io_failed())?,
        };
        match mark.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(self.io_failed()(error)),
        }
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.file().with_extension(extension)
    }

    fn io_failed(&self) -> impl Fn(io::Error) -> QueueError + use<> {
        let file = self.file().to_owned();
        move |source| QueueError::Io { file: file.clone(), source }
    }
}

fn open(file: PathBuf) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_seen_as_long_as_it_lives() {
        let scratch = tempfile::tempdir().unwrap();
        let queue = Queue::open(&scratch.path().join("queue.sqlite")).unwrap();
        assert!(!queue.has_daemon().unwrap());
        let (one, other) = (queue.mark_daemon().unwrap(), queue.mark_daemon().unwrap());
        assert!(queue.has_daemon().unwrap());
        drop(one);
        assert!(queue.has_daemon().unwrap());
        drop(other);
        assert!(!queue.has_daemon().unwrap());
    }

    #[test]
    fn questions_at_the_same_moment_do_not_take_each_other_for_a_daemon() {
        let scratch = tempfile::tempdir().unwrap();
        let queue = Queue::open(&scratch.path().join("queue.sqlite")).unwrap();
        drop(queue.mark_daemon().unwrap());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..2000).for_each(|_| assert!(!queue.has_daemon().unwrap())));
            }
        });
    }
}
