//! The directory of a storage, held open for a moment, so that many look-ups share the way to it.
//!
//! A name is certainly not there only if the directory is: a disk that is not mounted has no files at all, and clients
//! remember for an hour that a path is missing. Looking for `nix-cache-info` each time costs more than the look-up itself.
//! A directory that is open stays the one in which that file was seen, wherever its name leads by then. It is held for a
//! fraction of a second only: the disk can be unmounted, and another directory can take its place.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use rns_file_io::nonblocking_io::{CachedOpen, NonblockingIo};
use rustix::fs::{CWD, OFlags, ResolveFlags};
use tokio::{runtime::Handle, time::sleep};

use super::file::STORED_FILE_FLAGS;
use crate::objects::{ObjectKey, Objects};

/// How long a directory is used before it is looked for again.
const MAX_AGE: Duration = Duration::from_millis(20);

/// Files of a directory, as far as the kernel has them in memory. Nothing here waits.
pub(super) struct OpenDirectory {
    root: Arc<Path>,
    io: NonblockingIo,
    held: Arc<ArcSwapOption<Held>>,
}

/// A directory that has a binary cache.
struct Held {
    directory: OwnedFd,
    seen: Instant,
}

impl OpenDirectory {
    /// The directory of a storage. `None`: it is a bucket.
    pub(super) fn of(objects: &Objects) -> Option<Self> {
        let root = objects.directory()?.into();
        Some(Self { root, io: NonblockingIo::default(), held: Arc::default() })
    }

    /// Whether an object is certainly not there. `false` says nothing.
    pub(super) fn is_absent(&self, key: &ObjectKey) -> bool {
        matches!(self.find(key, OFlags::PATH), CachedOpen::Nothing)
    }

    /// The file of an object.
    pub(super) fn open(&self, key: &ObjectKey) -> Option<OwnedFd> {
        match self.find(key, STORED_FILE_FLAGS) {
            CachedOpen::File(file) => Some(file),
            CachedOpen::Nothing | CachedOpen::Unknown => None,
        }
    }

    fn find(&self, key: &ObjectKey, flags: OFlags) -> CachedOpen {
        let held = self.held.load();
        let fresh = held.as_ref().filter(|held| held.seen.elapsed() < MAX_AGE);
        let look = |held: &Held| {
            self.io.find(held.directory.as_fd(), key.as_str(), flags, ResolveFlags::empty())
        };
        match fresh {
            Some(held) => look(held),
            None => self.hold().map_or(CachedOpen::Unknown, |held| look(&held)),
        }
    }

    /// Opens the directory, if there is a binary cache in it.
    fn hold(&self) -> Option<Arc<Held>> {
        let seen = Instant::now();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = self.io.open(CWD, &*self.root, flags, ResolveFlags::empty())?;
        let info = ObjectKey::cache_info();
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        self.io.open(directory.as_fd(), info.as_str(), flags, ResolveFlags::empty())?;
        let held = Arc::new(Held { directory, seen });
        // Without a runtime there is none that closes it again.
        if let Ok(runtime) = Handle::try_current() {
            self.held.store(Some(Arc::clone(&held)));
            let slot = Arc::downgrade(&self.held);
            runtime.spawn(async move {
                sleep(MAX_AGE).await;
                if let Some(slot) = slot.upgrade() {
                    slot.store(None);
                }
            });
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_directory_is_held_for_a_moment_and_let_go() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("cache");
        fs::create_dir(&root).unwrap();
        let url = format!("file://{}", root.display()).parse().unwrap();
        let objects = Objects::open(&url, false).unwrap();
        let directory = OpenDirectory::of(&objects).unwrap();
        let missing = ObjectKey::listed("missing.narinfo");
        assert!(!directory.is_absent(&missing), "there is no cache around it");
        fs::write(root.join("nix-cache-info"), "StoreDir: /nix/store\n").unwrap();
        if !directory.is_absent(&missing) {
            // Not every file system can answer without waiting.
            return;
        }
        let held = directory.held.load_full().unwrap();
        assert!(directory.is_absent(&missing));
        assert!(Arc::ptr_eq(&held, &directory.held.load_full().unwrap()), "it was opened again");
        drop(held);
        // A file that is written afterwards is seen.
        fs::write(root.join("missing.narinfo"), "").unwrap();
        assert!(!directory.is_absent(&missing));
        let deadline = Instant::now() + Duration::from_secs(30);
        while directory.held.load().is_some() {
            assert!(Instant::now() < deadline, "it is never closed");
            sleep(MAX_AGE).await;
        }
        fs::rename(&root, parent.path().join("away")).unwrap();
        assert!(!directory.is_absent(&ObjectKey::listed("other.narinfo")), "it is not there");
    }
}
