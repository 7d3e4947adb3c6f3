//! The exposed paths, compactly.

use std::{collections::HashSet, sync::Arc};

/// New entries are kept apart until they are more than this, and more than a sixteenth of the rest.
const MIN_MERGED: usize = 1024;

/// A path: the beginning of its hash part and the number of its row.
pub(super) type SetEntry = (u64, i64);

/// An immutable set of paths; 24 bytes each. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Set {
    /// Nearly all of them.
    base: Arc<SetPart>,
    /// Those that were added since, so that adding one does not copy all.
    fresh: Arc<SetPart>,
}

/// Both in order.
#[derive(Default, PartialEq, Eq)]
struct SetPart {
    entries: Vec<SetEntry>,
    rows: Vec<i64>,
}

impl SetPart {
    fn new(mut entries: Vec<SetEntry>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        let mut rows: Vec<i64> = entries.iter().map(|entry| entry.1).collect();
        rows.sort_unstable();
        Self { entries, rows }
    }

    fn has_key(&self, key: u64) -> bool {
        let at = self.entries.partition_point(|entry| entry.0 < key);
        self.entries.get(at).is_some_and(|entry| entry.0 == key)
    }
}

impl Set {
    pub(super) fn new(entries: Vec<SetEntry>) -> Self {
        Self { base: Arc::new(SetPart::new(entries)), fresh: Arc::default() }
    }

    /// These and more, which it does not have yet.
    pub(super) fn with(&self, mut added: Vec<SetEntry>) -> Self {
        added.extend_from_slice(&self.fresh.entries);
        if added.len() <= MIN_MERGED.max(self.base.entries.len() / 16) {
            return Self { base: Arc::clone(&self.base), fresh: Arc::new(SetPart::new(added)) };
        }
        added.extend_from_slice(&self.base.entries);
        Self::new(added)
    }

    /// These without some.
    pub(super) fn without(&self, rows: &HashSet<i64>) -> Self {
        let all = self.base.entries.iter().chain(&self.fresh.entries);
        Self::new(all.filter(|entry| !rows.contains(&entry.1)).copied().collect())
    }

    /// Whether a path with this beginning of the hash part is among them.
    pub(super) fn has_key(&self, key: u64) -> bool {
        self.base.has_key(key) || self.fresh.has_key(key)
    }

    /// Whether the path of this row is among them.
    pub(super) fn has_row(&self, row: i64) -> bool {
        self.base.rows.binary_search(&row).is_ok() || self.fresh.rows.binary_search(&row).is_ok()
    }

    /// The rows, in no order.
    pub(super) fn rows(&self) -> impl Iterator<Item = i64> {
        self.base.rows.iter().chain(&self.fresh.rows).copied()
    }

    /// The lowest `count` rows, in order.
    pub(super) fn first_rows(&self, count: usize) -> Vec<i64> {
        let firsts = [&self.base, &self.fresh].map(|part| part.rows.iter().take(count).copied());
        let mut rows: Vec<i64> = firsts.into_iter().flatten().collect();
        rows.sort_unstable();
        rows.truncate(count);
        rows
    }

    pub(super) fn len(&self) -> usize {
        self.base.entries.len() + self.fresh.entries.len()
    }

    /// Whether both have the same paths, where neither was added to.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.base == other.base && self.fresh == other.fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_found_beside_what_was_there() {
        let mut set = Set::new((0..10_000).map(|row| (row as u64 * 3, row)).collect());
        for row in 10_000..12_000 {
            set = set.with(vec![(row as u64 * 3, row)]);
            assert!(set.has_key(row as u64 * 3) && set.has_row(row));
            assert!(!set.has_key(row as u64 * 3 + 1) && !set.has_row(row + 1));
        }
        assert_eq!(set.len(), 12_000);
        assert!((0..12_000).all(|row| set.has_key(row as u64 * 3) && set.has_row(row)));
        assert_eq!(set.with(vec![(1, -1)]).first_rows(3), [-1, 0, 1]);
        let set = set.without(&HashSet::from([0, 11_999]));
        assert_eq!(set.len(), 11_998);
        assert!(!set.has_key(0) && !set.has_row(11_999) && set.has_row(1));
    }
}
