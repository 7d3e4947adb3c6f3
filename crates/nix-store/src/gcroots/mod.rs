//! Roots of the garbage collector: links to store paths below a folder of Nix's `gcroots`.
//!
//! ```text
//! /nix/var/nix/gcroots/rust-nix-serve/pushed/token+ci/<hash>-<name> → /nix/store/<hash>-<name>
//! ```
//!
//! The time of a link is when it expires, so nothing else must be kept. Nix follows these links without being told of
//! them. A link holds its path from the next collection on; from one that is running, only a temporary root protects.

mod group;

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rns_formats::{HashPart, StoreDir, StorePath};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

pub use self::group::RootGroup;

/// How long an expired link stays: one that was just made has the time of its making for a moment.
const EXPIRY_GRACE: Duration = Duration::from_secs(3600);

/// Groups within groups that are looked at.
const MAX_DEPTH: usize = 8;

/// A root as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcRoot {
    /// The group that it belongs to.
    pub group: RootGroup,
    /// The path that it holds.
    pub path: StorePath,
    /// When it goes.
    pub expires: SystemTime,
}

/// The roots below one folder. All methods but [`GcRoots::holds`] block.
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
    /// The roots below `directory`, of paths of this store.
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

    fn link(&self, group: &RootGroup, path: &StorePath, expires: SystemTime) -> io::Result<()> {
        let folder = self.directory.join(group.folder());
        let (link, target) = (folder.join(path.as_str()), self.store_dir.print(path));
        match fs::read_link(&link) {
            Ok(found) if found == Path::new(&target) => {
                if expires <= expiry(&fs::symlink_metadata(&link)?) {
                    return Ok(());
                }
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
        self.walk(Path::new(""), MAX_DEPTH, &mut |root, _| found.push(root))?;
        Ok(found)
    }

    /// Lets go of a path in all groups. Whether it was held.
    ///
    /// # Errors
    /// When a link cannot be removed.
    pub fn release(&self, hash: &HashPart) -> io::Result<bool> {
        self.remove(|root| root.path.hash_part() == *hash).map(|count| count > 0)
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
        self.walk(Path::new(""), MAX_DEPTH, &mut |root, link| {
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
                    let expires = expiry(&entry.metadata()?);
                    let group = RootGroup::from_folder(folder.to_owned());
                    found(GcRoot { group, path, expires }, entry.path());
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

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn path(name: &str) -> StorePath {
        StorePath::parse(&format!("zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9f{name}-x")).unwrap()
    }

    fn roots(directory: &Path) -> GcRoots {
        let roots = GcRoots::new(directory.join("roots"), StoreDir::default());
        roots.open().unwrap();
        roots
    }

    #[test]
    fn a_root_is_a_link_that_another_process_finds_with_its_time() {
        let directory = tempfile::tempdir().unwrap();
        let (one, ci) = (roots(directory.path()), RootGroup::pushed_by("ci"));
        let expires = UNIX_EPOCH + DAY * 30_000;
        one.set(&ci, &[path("1"), path("2")], expires).unwrap();
        // A shorter time takes nothing away.
        one.set(&ci, &[path("1")], UNIX_EPOCH + DAY * 20_000).unwrap();
        let link = directory.path().join("roots/pushed/ci").join(path("1").as_str());
        assert_eq!(fs::read_link(link).unwrap(), Path::new(&StoreDir::default().print(&path("1"))));
        let other = roots(directory.path());
        let mut found = other.list().unwrap();
        found.sort_by(|one, two| one.path.cmp(&two.path));
        let root = |name| GcRoot { group: ci.clone(), path: path(name), expires };
        assert_eq!(found, [root("1"), root("2")]);
        assert!(other.holds(&path("1").hash_part()) && !other.holds(&path("3").hash_part()));
    }

    #[test]
    fn what_has_expired_goes_and_what_was_renewed_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (roots, ci) = (roots(directory.path()), RootGroup::pushed_by("ci"));
        let now = UNIX_EPOCH + DAY * 30_000;
        roots.set(&ci, &[path("1"), path("2")], now - DAY).unwrap();
        roots.set(&RootGroup::pushed_by("me"), &[path("3")], now - DAY).unwrap();
        roots.renew(&path("2"), &RootGroup::promised(), now + DAY).unwrap();
        roots.renew(&path("4"), &RootGroup::promised(), now + DAY).unwrap();
        let foreign = directory.path().join("roots/by-hand");
        symlink("/nix/store", &foreign).unwrap();
        assert_eq!(roots.expire(now).unwrap(), 2);
        let left: Vec<_> = roots.list().unwrap().into_iter().map(|root| root.path).collect();
        assert!(left.len() == 2 && left.contains(&path("2")) && left.contains(&path("4")));
        assert!(!roots.holds(&path("1").hash_part()) && roots.holds(&path("2").hash_part()));
        assert!(!directory.path().join("roots/pushed/me").exists() && foreign.is_symlink());
        assert_eq!(roots.expire(now).unwrap(), 0);
    }

    #[test]
    fn a_path_is_let_go_of_in_all_groups() {
        let directory = tempfile::tempdir().unwrap();
        let roots = roots(directory.path());
        for pusher in ["one", "two"] {
            let expires = SystemTime::now() + DAY;
            roots.set(&RootGroup::pushed_by(pusher), &[path("1"), path("2")], expires).unwrap();
        }
        assert!(roots.release(&path("1").hash_part()).unwrap());
        assert!(!roots.release(&path("1").hash_part()).unwrap());
        assert_eq!(roots.list().unwrap().len(), 2);
    }
}
