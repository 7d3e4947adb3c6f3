//! Paths that were pushed, or promised to pushers: each link holds one until the time of the link.
//!
//! The time of a link is when it expires, so nothing else must be kept.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rns_formats::{HashPart, StoreDir, StorePath};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::group::{KEPT_FOLDERS, RootGroup};

/// How long an expired link stays: one that was just made has the time of its making for a moment.
const EXPIRY_GRACE: Duration = Duration::from_secs(3600);

/// Groups within groups that are looked at.
const MAX_GROUP_DEPTH: usize = 8;

/// A root as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcRoot {
    /// The group that it belongs to.
    pub group: RootGroup,
    /// The path that it holds.
    pub path: StorePath,
    /// When it goes.
    pub expires: SystemTime,
    /// When it was last made or renewed, as the file system knows it.
    pub renewed: SystemTime,
}

/// The roots of the paths that one cache keeps for its pushers. All methods but [`GcRoots::holds`] block.
#[derive(Debug)]
pub struct GcRoots {
    directory: PathBuf,
    store_dir: StoreDir,
    /// The group in which each path is held that this process knows of. Locked for a moment only.
    known: Mutex<HashMap<HashPart, RootGroup>>,
    /// Held while links change.
    changes: Mutex<()>,
}

impl GcRoots {
    /// The roots in the folder of a cache, of paths of this store.
    #[must_use]
    pub fn new(directory: PathBuf, store_dir: StoreDir) -> Self {
        Self { directory, store_dir, known: Mutex::default(), changes: Mutex::default() }
    }

    /// The folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the folder, and learns which roots there are.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(&self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let found = self.list()?;
        self.known().extend(found.into_iter().map(|root| (root.path.hash_part(), root.group)));
        Ok(())
    }

    /// Whether a path with this hash part is held.
    pub fn holds(&self, hash: &HashPart) -> bool {
        self.known().contains_key(hash)
    }

    /// Holds paths in a group until `expires`, or longer, where they are held there for longer.
    ///
    /// # Errors
    /// When a link cannot be made.
    pub fn set(
        &self,
        group: &RootGroup,
        paths: &[StorePath],
        expires: SystemTime,
    ) -> io::Result<()> {
        let _changes = self.changes();
        for path in paths {
            self.link(group, path, expires)?;
            self.known().insert(path.hash_part(), group.clone());
        }
        Ok(())
    }

    /// Holds a path for longer: in the group that holds it, or in `otherwise`.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn renew(
        &self,
        path: &StorePath,
        otherwise: &RootGroup,
        expires: SystemTime,
    ) -> io::Result<()> {
        let group = self.known().get(&path.hash_part()).cloned();
        self.set(group.as_ref().unwrap_or(otherwise), std::slice::from_ref(path), expires)
    }

    /// The time of a link is set again even where it is the same: it is renewed by that.
    fn link(&self, group: &RootGroup, path: &StorePath, mut expires: SystemTime) -> io::Result<()> {
        let folder = self.directory.join(group.folder());
        let (link, target) = (folder.join(path.as_str()), self.store_dir.print(path));
        match fs::read_link(&link) {
            Ok(found) if found == Path::new(&target) => {
                expires = expires.max(expiry(&fs::symlink_metadata(&link)?));
            }
            Ok(_) => {
                fs::remove_file(&link)?;
                symlink(&target, &link)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&folder)?;
                symlink(&target, &link)?;
            }
            Err(error) => return Err(error),
        }
        let time = Timespec { tv_sec: seconds(expires), tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        Ok(utimensat(CWD, &link, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Every root, of all groups.
    ///
    /// # Errors
    /// When a folder cannot be read. Entries that are no roots are passed over.
    pub fn list(&self) -> io::Result<Vec<GcRoot>> {
        let mut found = Vec::new();
        self.each(&mut |root, _| found.push(root))?;
        Ok(found)
    }

    /// Lets go of a path in all groups. Whether it was held.
    ///
    /// # Errors
    /// When a link cannot be removed.
    pub fn release(&self, hash: &HashPart) -> io::Result<bool> {
        self.remove(|root| root.path.hash_part() == *hash).map(|count| count > 0)
    }

    /// Lets go of these paths, as far as they were not renewed since.
    ///
    /// # Errors
    /// As [`Self::release`].
    pub fn release_older(&self, paths: &HashSet<HashPart>, since: SystemTime) -> io::Result<usize> {
        self.remove(|root| root.renewed <= since && paths.contains(&root.path.hash_part()))
    }

    /// Removes expired links, and says how many.
    ///
    /// # Errors
    /// As [`Self::release`].
    pub fn expire(&self, now: SystemTime) -> io::Result<usize> {
        self.remove(|root| root.expires + EXPIRY_GRACE < now)
    }

    fn remove(&self, goes: impl Fn(&GcRoot) -> bool) -> io::Result<usize> {
        let _changes = self.changes();
        let (mut going, mut staying) = (Vec::new(), HashMap::new());
        self.each(&mut |root, link| {
            if goes(&root) {
                going.push(link);
            } else {
                staying.insert(root.path.hash_part(), root.group);
            }
        })?;
        *self.known() = staying;
        for link in &going {
            fs::remove_file(link)?;
            // A group ends with its last root.
            if let Some(folder) = link.parent().filter(|folder| *folder != self.directory) {
                _ = fs::remove_dir(folder);
            }
        }
        Ok(going.len())
    }

    /// Every root in the folders of groups: others in the directory have another meaning.
    fn each(&self, found: &mut dyn FnMut(GcRoot, PathBuf)) -> io::Result<()> {
        for folder in KEPT_FOLDERS {
            match self.walk(Path::new(folder), MAX_GROUP_DEPTH, found) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                walked => walked?,
            }
        }
        Ok(())
    }

    fn walk(
        &self,
        folder: &Path,
        depth: usize,
        found: &mut dyn FnMut(GcRoot, PathBuf),
    ) -> io::Result<()> {
        for entry in fs::read_dir(self.directory.join(folder))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && depth > 0 {
                self.walk(&folder.join(entry.file_name()), depth - 1, found)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path())?;
                let path = target.to_str().and_then(|path| self.store_dir.parse_path(path).ok());
                // One that was made by hand for something else stays.
                if let Some(path) = path
                    && entry.file_name() == path.as_str()
                {
                    let metadata = entry.metadata()?;
                    let (expires, renewed) = (expiry(&metadata), renewal(&metadata));
                    let group = RootGroup::from_folder(folder.to_owned());
                    found(GcRoot { group, path, expires, renewed }, entry.path());
                }
            }
        }
        Ok(())
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<HashPart, RootGroup>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn expiry(link: &fs::Metadata) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(link.mtime()).unwrap_or(0))
}

fn renewal(link: &fs::Metadata) -> SystemTime {
    let seconds = u64::try_from(link.ctime()).unwrap_or(0);
    let nanoseconds = u32::try_from(link.ctime_nsec()).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}

#[cfg(test)]
mod tests;
