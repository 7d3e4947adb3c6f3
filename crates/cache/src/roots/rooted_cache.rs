//! The orders and questions about roots.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use rns_formats::{HashPart, RootLabel, RootName, StorePath};

use super::outlook::{DryRun, WhyKept};
use crate::{CacheError, Pusher};

/// A cache that keeps the paths of roots.
///
/// Guarantees of every implementation:
///
/// - **A root is whole**: it is set only when its paths and all that they need are there, in one step, so that nothing of it
///   goes in between.
/// - **The closure of a root stays** until the root is deleted, replaced or expired.
/// - Every order can be repeated; an acknowledged one survives a crash.
#[async_trait]
pub trait RootedCache: Send + Sync {
    /// Adds a revision to a root, which is made where there is none, and lets go of the revisions that are too many.
    ///
    /// # Errors
    /// `MissingPaths` when something that it needs is not there.
    async fn put_root(&self, root: &NewRoot, pusher: &Pusher) -> Result<SetRoot, RootError>;

    /// Roots in the order of their names, after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the cache cannot be asked now.
    async fn roots(
        &self,
        after: Option<&RootName>,
        limit: usize,
    ) -> Result<Vec<RootSummary>, CacheError>;

    /// The revisions of a root, the newest first. None: there is no such root.
    ///
    /// # Errors
    /// When the cache cannot be asked now.
    async fn root(&self, name: &RootName) -> Result<Vec<RootRevision>, CacheError>;

    /// Deletes a root with all its revisions. Whether there was one.
    ///
    /// # Errors
    /// When the cache cannot delete anything now.
    async fn delete_root(&self, name: &RootName) -> Result<bool, RootError>;

    /// The space that would be free if one root alone were deleted, for every root, as it was found out a short while ago.
    /// `None`: there is too much to find it out.
    ///
    /// # Errors
    /// When the cache cannot be asked now.
    async fn root_sizes(&self) -> Result<Option<Arc<RootSizes>>, CacheError>;

    /// Whether it lets paths go by itself, so that [`Self::dry_run`] and [`Self::why`] have something to say.
    fn collects(&self) -> bool {
        false
    }

    /// The paths that a collection would remove now: at most `limit` of them, after so many. They are as of a short while ago.
    /// `None`: there is too much to find it out.
    ///
    /// # Errors
    /// When the cache cannot be asked now.
    async fn dry_run(&self, _after: usize, _limit: usize) -> Result<Option<DryRun>, CacheError> {
        Ok(None)
    }

    /// Why a path stays, or goes. `None`: it is not here.
    ///
    /// # Errors
    /// When the cache cannot be asked now.
    async fn why(&self, _hash: &HashPart) -> Result<Option<WhyKept>, CacheError> {
        Ok(None)
    }
}

/// A root as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoot {
    /// Its name.
    pub name: RootName,
    /// The paths that it keeps, with all that these need.
    pub paths: Vec<RootPath>,
    /// For how long.
    pub lifetime: RootLifetime,
    /// The label of the revision.
    pub label: Option<RootLabel>,
}

/// A path of a root, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootPath {
    /// The path with this hash part.
    Hash(HashPart),
    /// This path.
    Path(StorePath),
}

/// How long a root is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RootLifetime {
    /// A revision goes after so many days; without it, it stays.
    pub days: Option<NonZeroU32>,
    /// So many revisions stay, the newest ones; without it, one.
    pub revisions: Option<NonZeroU32>,
}

/// One revision of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRevision {
    /// Its number: the first revision of a root is 1.
    pub revision: u64,
    /// When it was set, in whole seconds.
    pub created: SystemTime,
    /// When it goes, in whole seconds.
    pub expires: Option<SystemTime>,
    /// Its label.
    pub label: Option<RootLabel>,
    /// Who set it.
    pub pusher: Pusher,
    /// The paths that it keeps, with all that these need.
    pub paths: Vec<StorePath>,
}

/// A root that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRoot {
    /// Its new revision, or the newest one where that has the same paths.
    pub revision: RootRevision,
    /// The numbers of the earlier revisions that were let go, the newest first.
    pub let_go: Vec<u64>,
}

/// A root in a list.
///
/// Its newest revision has its first [`RootSummary::MAX_PATHS`] paths alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootSummary {
    /// Its name.
    pub name: RootName,
    /// Its newest revision, with its first paths.
    pub newest: RootRevision,
    /// Paths of the newest revision.
    pub path_count: u64,
    /// Revisions that are kept.
    pub revision_count: u64,
}

/// The sizes of roots, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootSizes {
    /// When.
    pub as_of: SystemTime,
    /// Each root that was there.
    pub sizes: BTreeMap<RootName, FreedByRoot>,
}

/// The space that would be free without a root: its paths are needed by no other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreedByRoot {
    /// Paths that the root needs.
    pub paths: u64,
    /// Bytes of their NARs as they are stored: in a Nix store, not compressed.
    pub bytes: u64,
    /// Those of the paths that no other root needs.
    pub freed_paths: u64,
    /// Bytes of the NARs that no path of another root has.
    pub freed_bytes: u64,
}

/// A path that a root needs and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPath {
    /// Its hash part.
    pub hash: HashPart,
    /// The path, where its name is known.
    pub path: Option<StorePath>,
}

/// Why a root was not set. The texts of all but `Cache` are for the client as well.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It names nothing.
    #[error("a root names at least one path")]
    Empty,
    /// Something that it needs is not there.
    #[error(
        "the root needs paths that are not here: {}; push them first, with `nix copy --refresh` where they were here before",
        Listed(.paths, *.count)
    )]
    MissingPaths {
        /// The first of them.
        paths: Vec<MissingPath>,
        /// How many there are, as far as they were counted.
        count: usize,
    },
    /// The place where it would be noted is full.
    #[error("the storage is full")]
    Full,
    /// The cache cannot set roots now.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Paths as they are told to a client, of so many.
struct Listed<'a>(&'a [MissingPath], usize);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, missing) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{missing}")?;
        }
        match self.1.saturating_sub(self.0.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for MissingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path}"),
            None => write!(f, "{}", self.hash),
        }
    }
}

impl RootPath {
    /// The hash part of the path.
    #[must_use]
    pub fn hash(&self) -> HashPart {
        match self {
            Self::Hash(hash) => *hash,
            Self::Path(path) => path.hash_part(),
        }
    }
}

impl RootLifetime {
    /// When a revision that is set at `created` goes.
    #[must_use]
    pub fn expires(&self, created: SystemTime) -> Option<SystemTime> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        self.days.map(|days| created + DAY * days.get())
    }

    /// How many revisions stay.
    #[must_use]
    pub fn revisions(&self) -> usize {
        self.revisions.map_or(1, |count| usize::try_from(count.get()).unwrap_or(usize::MAX))
    }

    /// The shorter of both.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        let shorter = |one: Option<NonZeroU32>, other| match (one, other) {
            (Some(one), Some(other)) => Some(std::cmp::min(one, other)),
            (one, other) => one.or(other),
        };
        Self {
            days: shorter(self.days, other.days),
            revisions: shorter(self.revisions, other.revisions),
        }
    }
}

impl RootSummary {
    /// The most paths of a root that a list has.
    pub const MAX_PATHS: usize = 10;
}

impl RootRevision {
    /// Whether it has gone at this time.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
