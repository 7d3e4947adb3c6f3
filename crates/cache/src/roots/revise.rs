//! The next revision of a root, and its report to the client.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rns_formats::{HashPart, RootName, StorePath};

use super::rooted_cache::{
    MissingPath, NewRoot, RootError, RootLifetime, RootPath, RootRevision, RootSummary, SetRoot,
};
use crate::Pusher;

/// Missing paths that are named to a client.
const MAX_NAMED_MISSING: usize = 100;

impl NewRoot {
    /// The next revision of a root whose revisions are `known`, the newest first, and the earlier ones that stay.
    ///
    /// The same paths with the same label are the newest revision once more, whose time begins anew: a job that is repeated
    /// drives out no earlier one.
    #[must_use]
    pub fn next_revision(
        &self,
        paths: Vec<StorePath>,
        lifetime: RootLifetime,
        known: &[RootRevision],
        pusher: &Pusher,
    ) -> (SetRoot, Vec<RootRevision>) {
        let (newest, earlier) = match known.split_first() {
            Some((newest, earlier)) => (Some(newest), earlier),
            None => (None, known),
        };
        let is_same =
            newest.is_some_and(|newest| newest.paths == paths && newest.label == self.label);
        let (number, earlier) = match newest {
            Some(newest) if is_same => (newest.revision, earlier),
            newest => (newest.map_or(1, |newest| newest.revision + 1), known),
        };
        let created = whole_seconds(SystemTime::now());
        let revision = RootRevision {
            revision: number,
            created,
            expires: lifetime.expires(created),
            label: self.label.clone(),
            pusher: pusher.clone(),
            paths,
        };
        let (kept, gone) = earlier.split_at(earlier.len().min(lifetime.revisions() - 1));
        let let_go = gone.iter().map(|revision| revision.revision).collect();
        (SetRoot { revision, let_go }, kept.to_vec())
    }

    /// The hash parts of its paths, each once, in their order.
    #[must_use]
    pub fn hashes(&self) -> Vec<HashPart> {
        let mut hashes: Vec<HashPart> = self.paths.iter().map(RootPath::hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// Makes sure that the paths which were found are those that the client means: who names a path means that one, not
    /// another with its hash part.
    ///
    /// # Errors
    /// `MissingPaths` for all others.
    pub fn check_names(&self, found: &BTreeMap<HashPart, StorePath>) -> Result<(), RootError> {
        let others =
            self.paths.iter().filter_map(|given| match (given, found.get(&given.hash())) {
                (RootPath::Path(path), Some(known)) if path == known => None,
                (RootPath::Hash(_), Some(_)) => None,
                (RootPath::Path(path), _) => {
                    Some(MissingPath { hash: path.hash_part(), path: Some(path.clone()) })
                }
                (RootPath::Hash(hash), None) => Some(MissingPath { hash: *hash, path: None }),
            });
        let others: Vec<_> = others.collect();
        if others.is_empty() { Ok(()) } else { Err(RootError::missing(others)) }
    }
}

impl RootSummary {
    /// A root in a list; its revisions are the newest first. `None` where none is left.
    #[must_use]
    pub fn of(name: RootName, mut revisions: Vec<RootRevision>) -> Option<Self> {
        let revision_count = revisions.len() as u64;
        revisions.truncate(1);
        let mut newest = revisions.pop()?;
        let path_count = newest.paths.len() as u64;
        newest.paths.truncate(Self::MAX_PATHS);
        Some(Self { name, newest, path_count, revision_count })
    }
}

impl RootError {
    /// Paths that are not there, of which the client is told the first.
    #[must_use]
    pub fn missing(mut paths: Vec<MissingPath>) -> Self {
        let count = paths.len();
        paths.sort_by_key(|path| path.hash);
        paths.truncate(MAX_NAMED_MISSING);
        Self::MissingPaths { paths, count }
    }
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
