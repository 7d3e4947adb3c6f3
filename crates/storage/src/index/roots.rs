//! The roots of an index.

use std::{collections::BTreeSet, time::SystemTime};

use async_trait::async_trait;
use rns_cache::{RootRevision, RootSummary};
use rns_formats::{HashPart, RootLabel, RootName, StorePath};

use super::{IndexError, PathState};

/// The roots of an index. All orders can be repeated; each is one transaction.
#[async_trait]
pub trait RootIndex: Send + Sync {
    /// The paths, of these and of all that they need, that a root cannot keep now, at most `limit`: those that are not
    /// published, and not merely condemned.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn absent_of_closure(
        &self,
        paths: &[HashPart],
        limit: usize,
    ) -> Result<Vec<AbsentPath>, IndexError>;

    /// The names of those of these paths that are known.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn known_paths(&self, paths: &[HashPart]) -> Result<Vec<StorePath>, IndexError>;

    /// Registers a revision of a root, and removes its revisions that are not in `keep`. In the same step the closure of its
    /// paths is checked, apart from those that are `elsewhere`, and condemned paths in it are published again.
    ///
    /// Returns absent paths, at most `limit`; then nothing has changed.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn register_root(
        &self,
        root: &NewRevision<'_>,
        limit: usize,
    ) -> Result<Vec<AbsentPath>, IndexError>;

    /// Enters revisions of a root that lie in the storage. Their paths are kept from now on, as far as they are there.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn import_root(
        &self,
        name: &RootName,
        revisions: &[RootRevision],
    ) -> Result<(), IndexError>;

    /// Removes the revisions of a root that are not in `keep`. Whether there were any.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn retain_revisions(&self, name: &RootName, keep: &[u64]) -> Result<bool, IndexError>;

    /// Roots in the order of their names, after `after`, with at most `max_paths` paths of each.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn roots(
        &self,
        after: Option<&RootName>,
        limit: usize,
        max_paths: usize,
    ) -> Result<Vec<RootSummary>, IndexError>;

    /// The revisions of a root that have not expired, the newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn root(&self, name: &RootName) -> Result<Vec<RootRevision>, IndexError>;

    /// Roots with revisions that have expired and were not removed yet, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn expired_roots(&self, limit: usize) -> Result<Vec<RootName>, IndexError>;
}

/// A revision of a root that is to be registered.
#[derive(Clone, Copy, Debug)]
pub struct NewRevision<'a> {
    /// The name of the root.
    pub name: &'a RootName,
    /// The revision.
    pub revision: &'a RootRevision,
    /// Those of the closure that are always available elsewhere.
    pub elsewhere: &'a BTreeSet<HashPart>,
    /// Earlier revisions that stay.
    pub keep: &'a [u64],
}

/// A path that a root cannot keep now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentPath {
    /// Its hash part.
    pub hash: HashPart,
    /// The path, where its name is known.
    pub path: Option<StorePath>,
    /// Its state; `None` when nothing is known of it.
    pub state: Option<PathState>,
}

/// The columns of a revision, as both databases hold them.
pub(super) struct RevisionRow {
    pub(super) id: i64,
    pub(super) revision: i64,
    pub(super) created: i64,
    pub(super) expires: Option<i64>,
    pub(super) label: Option<String>,
    pub(super) pusher: String,
    pub(super) address: Option<String>,
}

impl NewRevision<'_> {
    /// Those of the paths that it names that are elsewhere.
    pub(super) fn named_elsewhere(&self) -> Vec<&StorePath> {
        let paths = self.revision.paths.iter();
        let mut paths: Vec<_> =
            paths.filter(|path| self.elsewhere.contains(&path.hash_part())).collect();
        paths.sort_unstable();
        paths
    }

    /// Those of the absent paths that are nowhere.
    pub(super) fn missing(&self, mut absent: Vec<AbsentPath>) -> Vec<AbsentPath> {
        absent.retain(|path| !self.elsewhere.contains(&path.hash));
        absent
    }
}

impl RevisionRow {
    /// The revision with these paths.
    pub(super) fn with_paths(self, paths: &[String]) -> RootRevision {
        RootRevision {
            revision: self.revision.unsigned_abs(),
            created: time(self.created),
            expires: self.expires.map(time),
            label: self.label.and_then(|label| RootLabel::parse(&label).ok()),
            pusher: rns_cache::Pusher { name: self.pusher, address: self.address },
            paths: paths.iter().filter_map(|path| StorePath::parse(path).ok()).collect(),
        }
    }
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds.unsigned_abs())
}

/// A number, as databases hold it.
pub(super) fn integer(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
