//! From the roots downwards to a path: the way to one that so much refers to that its referrers cannot all be looked at.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    hash::BuildHasher,
};

use crate::index::{Index, IndexError};

/// Paths named by roots that are begun with at a time: below any of them is most of the common closure.
const ROOTED_BATCH: usize = 16;

/// Paths whose references are asked for at once.
const REFERENCES_BATCH: usize = 256;

/// The paths that roots need, as far as they were looked at.
#[derive(Default)]
pub(super) struct Descent {
    /// For each path, one that refers to it; for one that a root names, the path itself.
    from: HashMap<i64, i64>,
    /// Paths whose references were not looked at.
    open: Vec<i64>,
    /// Root and path that came last.
    last_rooted: (i64, i64),
}

impl Descent {
    /// Looks for one of `targets` until it has looked at `limit` paths. `None`: not found so far, or roots need none of them.
    pub(super) async fn find<S: BuildHasher + Sync>(
        &mut self,
        index: &dyn Index,
        targets: &HashSet<i64, S>,
        limit: usize,
    ) -> Result<Option<i64>, IndexError> {
        if let Some(met) = targets.iter().find(|target| self.from.contains_key(target)) {
            return Ok(Some(*met));
        }
        while self.from.len() < limit {
            if self.open.is_empty() && !self.add_roots(index).await? {
                return Ok(None);
            }
            if let Some(met) = self.open.iter().find(|path| targets.contains(path)) {
                return Ok(Some(*met));
            }
            // The deepest first: paths that everything needs are at the bottom.
            let batch = self.open.split_off(self.open.len().saturating_sub(REFERENCES_BATCH));
            for (referrer, reference) in index.references_of(&batch).await? {
                if let Entry::Vacant(place) = self.from.entry(reference) {
                    place.insert(referrer);
                    self.open.push(reference);
                    if targets.contains(&reference) {
                        return Ok(Some(reference));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The path that a root names and those below it down to this one, which was met.
    pub(super) fn chain(&self, met: i64) -> Vec<i64> {
        let upwards = std::iter::successors(Some(met), |path| {
            self.from.get(path).copied().filter(|from| from != path)
        });
        let mut chain: Vec<i64> = upwards.collect();
        chain.reverse();
        chain
    }

    /// Begins with the paths of more roots, if there are more.
    async fn add_roots(&mut self, index: &dyn Index) -> Result<bool, IndexError> {
        loop {
            let rooted = index.rooted_after(self.last_rooted, ROOTED_BATCH).await?;
            let Some(last) = rooted.last() else { return Ok(false) };
            self.last_rooted = *last;
            for (_, path) in rooted {
                if let Entry::Vacant(place) = self.from.entry(path) {
                    place.insert(path);
                    self.open.push(path);
                }
            }
            if !self.open.is_empty() {
                return Ok(true);
            }
        }
    }
}
