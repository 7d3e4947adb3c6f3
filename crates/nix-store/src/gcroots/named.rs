//! Roots that clients set, by their names.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use rns_cache::{RootRevision, SetRoot};
use rns_formats::{HashPart, RootName, StoreDir, StorePath};

use super::named_files::RootFiles;

/// The folder of named roots in that of a cache.
const FOLDER: &str = "named";

/// How long links stay that no document names: another process may be about to write it.
const ORPHAN_GRACE: Duration = Duration::from_secs(3600);

/// The named roots of one cache. All methods but [`NamedRoots::holds`] block.
#[derive(Debug)]
pub struct NamedRoots {
    files: RootFiles,
    /// In how many revisions each path is named. Locked for a moment only.
    held: Mutex<HashMap<HashPart, usize>>,
    /// Held while roots change.
    changes: Mutex<()>,
}

impl NamedRoots {
    /// The roots in the folder of a cache, of paths of this store.
    #[must_use]
    pub fn new(directory: &Path, store_dir: StoreDir) -> Self {
        let files = RootFiles::new(directory.join(FOLDER), store_dir);
        Self { files, held: Mutex::default(), changes: Mutex::default() }
    }

    /// Learns which roots there are, and makes the links that they lack.
    ///
    /// # Errors
    /// When they cannot be read, or links not be made.
    pub fn open(&self) -> io::Result<()> {
        let _changes = self.changes();
        let mut held = HashMap::new();
        for name in self.files.names()? {
            let revisions = match self.files.read(&name) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!("the root {name} is not usable, its links stay: {error}");
                    continue;
                }
                revisions => revisions?,
            };
            for revision in &revisions {
                self.files.link(&name, revision)?;
            }
            count(&mut held, &revisions);
        }
        *self.held() = held;
        Ok(())
    }

    /// Whether a root names a path with this hash part.
    pub fn holds(&self, hash: &HashPart) -> bool {
        self.held().contains_key(hash)
    }

    /// The roots that name this path.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn naming(&self, hash: &HashPart) -> io::Result<Vec<RootName>> {
        let mut naming = Vec::new();
        if self.holds(hash) {
            for name in self.files.names()? {
                let revisions = self.get(&name)?;
                if revisions
                    .iter()
                    .any(|one| one.paths.iter().any(|path| path.hash_part() == *hash))
                {
                    naming.push(name);
                }
            }
        }
        Ok(naming)
    }

    /// The names of roots after this one, in their order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn names(&self, after: Option<&RootName>) -> io::Result<Vec<RootName>> {
        let mut names = self.files.names()?;
        names.retain(|name| after.is_none_or(|after| name > after));
        Ok(names)
    }

    /// The revisions of a root that have not expired, the newest first. None: there is no such root, or nothing can be made
    /// of it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn get(&self, name: &RootName) -> io::Result<Vec<RootRevision>> {
        let now = SystemTime::now();
        let mut revisions = self.read(name)?;
        revisions.retain(|revision| !revision.has_expired(now));
        Ok(revisions)
    }

    /// The paths that all roots name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn paths(&self) -> io::Result<Vec<StorePath>> {
        let mut paths = Vec::new();
        for name in self.files.names()? {
            paths.extend(self.get(&name)?.into_iter().flat_map(|revision| revision.paths));
        }
        Ok(paths)
    }

    /// Sets a root: from its revisions, `revise` makes the next one, and says which earlier ones stay.
    ///
    /// # Errors
    /// When links or document cannot be written. Then the root is as it was.
    pub fn set(
        &self,
        name: &RootName,
        revise: impl FnOnce(&[RootRevision]) -> (SetRoot, Vec<RootRevision>),
    ) -> io::Result<SetRoot> {
        let _changes = self.changes();
        let (set, kept) = revise(&self.get(name)?);
        let mut revisions = vec![set.revision.clone()];
        revisions.extend(kept);
        self.replace(name, &revisions)?;
        Ok(set)
    }

    /// Deletes a root. Whether there was one.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn delete(&self, name: &RootName) -> io::Result<bool> {
        let _changes = self.changes();
        let was_there = self.files.names()?.binary_search(name).is_ok();
        self.replace(name, &[])?;
        Ok(was_there)
    }

    /// Removes revisions whose time is over, and links that an order left which was cut off. Returns the number of revisions.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn expire(&self, now: SystemTime) -> io::Result<usize> {
        let _changes = self.changes();
        let mut count = 0;
        for name in self.files.names()? {
            let revisions = self.read(&name)?;
            let (expired, left): (Vec<_>, Vec<_>) =
                revisions.into_iter().partition(|revision| revision.has_expired(now));
            if !expired.is_empty() {
                count += expired.len();
                self.replace(&name, &left)?;
            }
        }
        self.files.sweep(now - ORPHAN_GRACE)?;
        Ok(count)
    }

    /// The revisions of a root. A document that nothing can be made of is none, and is replaced with the next revision.
    fn read(&self, name: &RootName) -> io::Result<Vec<RootRevision>> {
        match self.files.read(name) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Vec::new()),
            revisions => revisions,
        }
    }

    fn replace(&self, name: &RootName, revisions: &[RootRevision]) -> io::Result<()> {
        let earlier = self.read(name)?;
        // Pushers see a path from before its link on, and until after.
        count(&mut self.held(), revisions);
        let replaced = match revisions {
            [] => self.files.remove(name),
            revisions => self.files.write(name, revisions),
        };
        let gone = if replaced.is_ok() { &earlier } else { revisions };
        uncount(&mut self.held(), gone);
        replaced
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<HashPart, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(held: &mut HashMap<HashPart, usize>, revisions: &[RootRevision]) {
    for path in revisions.iter().flat_map(|revision| &revision.paths) {
        *held.entry(path.hash_part()).or_default() += 1;
    }
}

fn uncount(held: &mut HashMap<HashPart, usize>, revisions: &[RootRevision]) {
    for path in revisions.iter().flat_map(|revision| &revision.paths) {
        let hash = path.hash_part();
        match held.get_mut(&hash) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests;
