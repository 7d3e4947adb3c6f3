//! The directory of a storage, held open for a moment, so that many look-ups share the way to it.
//!
//! A name is certainly not there only if the directory is: a disk that is not mounted has no files at all, and clients
//! remember for an hour that a path is missing. Looking for `nix-cache-info` each time costs more than the look-up itself.
//! A directory that is open stays the one in which that file was seen, wherever its name leads by then. It is held for a
//! fraction of a second only: the disk can be unmounted, and another directory can take its place.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use rns_file_io::nonblocking_io::{CachedOpen, NonblockingIo};
use rns_formats::HashPart;
use rustix::fs::{CWD, OFlags, ResolveFlags};
use tokio::{runtime::Handle, time::sleep};

use super::{
    directory_names::{DirectoryIdentity, DirectoryNames, NameDigest},
    file::STORED_FILE_FLAGS,
    names_listing::NamesListing,
};
use crate::objects::{NARS, ObjectKey, Objects};

/// How long a directory is used before it is looked for again.
const MAX_AGE: Duration = Duration::from_millis(20);

/// Files of a directory, as far as the kernel has them in memory. Nothing here waits.
pub(super) struct OpenDirectory {
    root: Arc<Path>,
    io: NonblockingIo,
    names: NamesListing,
    held: Arc<ArcSwapOption<Held>>,
}

/// A directory that has a binary cache.
struct Held {
    directory: OwnedFd,
    names: Option<Arc<DirectoryNames>>,
    seen: Instant,
}

impl OpenDirectory {
    /// The directory of a storage. `None`: it is a bucket. `memory_bytes` bounds the memory for names.
    pub(super) fn of(objects: &Objects, memory_bytes: usize) -> Option<Self> {
        let root: Arc<Path> = objects.directory()?.into();
        let names = NamesListing::of(Arc::clone(&root), memory_bytes);
        Some(Self { root, io: NonblockingIo::default(), names, held: Arc::default() })
    }

    /// Changes the bound of the memory for names.
    pub(super) fn resize(&self, memory_bytes: usize) {
        self.names.resize(memory_bytes);
    }

    /// Whether an object is certainly not there. `false` says nothing.
    pub(super) fn is_absent(&self, key: &ObjectKey) -> bool {
        self.with_held(|held| {
            NameDigest::of_key(key.as_str()).is_some_and(|name| held.lacks(name))
                || matches!(self.look(held, key, OFlags::PATH), CachedOpen::Nothing)
        })
        .unwrap_or(false)
    }

    /// The same for the narinfo of a path.
    pub(super) fn lacks_narinfo(&self, hash: &HashPart) -> bool {
        self.with_held(|held| {
            let is_absent = || {
                matches!(
                    self.look(held, &ObjectKey::narinfo(hash), OFlags::PATH),
                    CachedOpen::Nothing
                )
            };
            held.lacks(NameDigest::of_narinfo(hash)) || is_absent()
        })
        .unwrap_or(false)
    }

    /// The file of an object.
    pub(super) fn open(&self, key: &ObjectKey) -> Option<OwnedFd> {
        match self.with_held(|held| self.look(held, key, STORED_FILE_FLAGS))? {
            CachedOpen::File(file) => Some(file),
            CachedOpen::Nothing | CachedOpen::Unknown => None,
        }
    }

    fn look(&self, held: &Held, key: &ObjectKey, flags: OFlags) -> CachedOpen {
        self.io.find(held.directory.as_fd(), key.as_str(), flags, ResolveFlags::empty())
    }

    /// Asks the directory that is held, or that of now. `None`: it is not known whether there is a binary cache.
    fn with_held<T>(&self, ask: impl FnOnce(&Held) -> T) -> Option<T> {
        let held = self.held.load();
        match held.as_ref().filter(|held| held.seen.elapsed() < MAX_AGE) {
            Some(held) => Some(ask(held)),
            None => self.hold().map(|held| ask(&held)),
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
        let names = self.names_of(directory.as_fd());
        let held = Arc::new(Held { directory, names, seen });
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

    /// The names of this directory, once they are listed.
    fn names_of(&self, directory: BorrowedFd<'_>) -> Option<Arc<DirectoryNames>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let nars = self.io.open(directory, NARS, flags, ResolveFlags::empty())?;
        let of = DirectoryIdentity::of;
        self.names.of_directories([of(directory).ok()?, of(nars.as_fd()).ok()?])
    }
}

impl Held {
    /// Whether a name is certainly not there. `false` says nothing.
    fn lacks(&self, name: NameDigest) -> bool {
        self.names.as_ref().and_then(|names| names.lacks(name)).unwrap_or(false)
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
        let directory = OpenDirectory::of(&objects, 1 << 20).unwrap();
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

    #[tokio::test]
    async fn names_are_those_of_the_directory_that_is_there_now() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("cache");
        let make = |root: &Path| {
            fs::create_dir_all(root.join(NARS)).unwrap();
            fs::write(root.join("nix-cache-info"), "StoreDir: /nix/store\n").unwrap();
        };
        make(&root);
        let url = format!("file://{}", root.display()).parse().unwrap();
        let directory = OpenDirectory::of(&Objects::open(&url, false).unwrap(), 1 << 20).unwrap();
        let hash = HashPart::from_bytes([7; 20]);
        let narinfo = ObjectKey::narinfo(&hash);
        // Some file systems note no names.
        for _ in 0..100 {
            if directory.held.load().as_ref().is_some_and(|held| held.names.is_some()) {
                break;
            }
            directory.is_absent(&narinfo);
            sleep(MAX_AGE).await;
        }
        let is_asked = directory.lacks_narinfo(&hash);
        // Another disk is mounted in its place.
        let other = parent.path().join("other");
        make(&other);
        fs::write(other.join(narinfo.as_str()), "").unwrap();
        fs::rename(&root, parent.path().join("away")).unwrap();
        fs::rename(&other, &root).unwrap();
        sleep(MAX_AGE * 2).await;
        assert!(!directory.lacks_narinfo(&hash), "{is_asked}");
        fs::rename(&root, &other).unwrap();
        sleep(MAX_AGE * 2).await;
        let missing = HashPart::from_bytes([8; 20]);
        assert!(!directory.lacks_narinfo(&missing), "the directory is not there");
    }
}
