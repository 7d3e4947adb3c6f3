//! Failures of a queue.

use std::{io, path::PathBuf, time::Duration};

use rns_cache::CacheError;

/// A queue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The database.
    #[error("the queue {} cannot be used: {source}", file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: rusqlite::Error,
    },
    /// Its directory, or the lock beside it.
    #[error("the queue {} cannot be used: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Root must not work where another user can make its files lead elsewhere.
    #[error(
        "the queue {} belongs to another user: run this as that user, sudo -u '#{user}' rust-nix-serve …",
        file.display()
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The number of the user.
        user: u32,
    },
    /// More paths wait than are taken.
    #[error("the queue {} is full", file.display())]
    Full {
        /// The file.
        file: PathBuf,
    },
}

/// The end of a watcher.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The database of the store.
    #[error("new paths of the store could not be found for {length:?}: {source}")]
    Store {
        /// The time for which it was tried.
        length: Duration,
        /// The last failure.
        source: CacheError,
    },
}
