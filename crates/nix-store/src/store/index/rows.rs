//! A compact map from 64-bit keys to numbers of database rows.

use std::time::{Duration, Instant};

/// How long a full index is left alone; then it is built anew, without the rows that are gone by then.
const REBUILD_INTERVAL: Duration = Duration::from_secs(3600);

/// Entries of 16 bytes, sorted by key and then by row. Several rows may have the same key, and a key
/// is only the beginning of a hash: every answer has to be checked against its row.
pub(super) struct IndexRows {
    entries: Vec<(u64, i64)>,
    /// Every row up to this one is in the index, if it belongs there.
    seen: i64,
    limit: usize,
    /// Since when there is no room for more.
    full: Option<Instant>,
    /// Device and inode of the database the rows are of.
    database: Option<(u64, u64)>,
}

impl IndexRows {
    pub(super) const fn new(limit: usize) -> Self {
        Self { entries: Vec::new(), seen: 0, limit, full: None, database: None }
    }

    /// The last row that has been looked at; rows are added behind it.
    pub(super) const fn seen(&self) -> i64 {
        self.seen
    }

    /// Whether there was no room for everything.
    pub(super) const fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// The rows with this key, the newest first.
    pub(super) fn with_key(&self, key: u64) -> impl Iterator<Item = i64> {
        let start = self.entries.partition_point(|entry| entry.0 < key);
        let end = self.entries.partition_point(|entry| entry.0 <= key);
        self.entries.get(start..end).unwrap_or_default().iter().rev().map(|entry| entry.1)
    }

    /// Forgets everything that belongs to another database, or that has long been full.
    pub(super) fn begin(&mut self, database: Option<(u64, u64)>) {
        if self.database != database
            || self.full.is_some_and(|since| since.elapsed() >= REBUILD_INTERVAL)
        {
            self.clear();
            self.database = database;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Adds entries of rows behind [`Self::seen`], in the order of their rows. With them, everything up
    /// to the row `seen` has been looked at.
    pub(super) fn add(&mut self, mut new: Vec<(u64, i64)>, seen: i64) {
        let room = self.limit - self.entries.len();
        if new.len() <= room {
            self.seen = seen;
        } else {
            new.truncate(room);
            self.full.get_or_insert_with(Instant::now);
            // A row of which only a part found room counts as looked at.
            self.seen = new.last().map_or(self.seen, |entry| entry.1);
        }
        // Two sorted runs, which the sort merges in one go.
        new.sort_unstable();
        self.entries.append(&mut new);
        self.entries.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_key(rows: &IndexRows, key: u64) -> Vec<i64> {
        rows.with_key(key).collect()
    }

    #[test]
    fn rows_with_one_key_come_newest_first_and_no_others_with_them() {
        let mut rows = IndexRows::new(10);
        rows.add(vec![(7, 1), (3, 1), (7, 2), (u64::MAX, 3)], 5);
        rows.add(vec![(7, 6), (0, 7)], 9);
        assert_eq!(with_key(&rows, 7), [6, 2, 1]);
        assert_eq!(with_key(&rows, 0), [7]);
        assert_eq!(with_key(&rows, u64::MAX), [3]);
        assert!(with_key(&rows, 4).is_empty());
        assert_eq!(rows.seen(), 9);
        assert!(!rows.is_full());
    }

    #[test]
    fn what_does_not_fit_counts_as_not_looked_at() {
        let mut rows = IndexRows::new(3);
        rows.add(vec![(1, 1), (2, 2)], 2);
        rows.add(vec![(1, 3), (1, 4), (1, 5)], 5);
        assert!(rows.is_full());
        assert_eq!(rows.seen(), 3);
        assert_eq!(with_key(&rows, 1), [3, 1]);
        rows.add(vec![(1, 4)], 4);
        assert_eq!((rows.seen(), with_key(&rows, 1)), (3, vec![3, 1]));
    }

    #[test]
    fn another_database_starts_an_empty_index() {
        let mut rows = IndexRows::new(3);
        rows.begin(Some((1, 1)));
        rows.add(vec![(1, 1)], 1);
        rows.begin(Some((1, 1)));
        assert_eq!(with_key(&rows, 1), [1]);
        rows.begin(Some((1, 2)));
        assert_eq!((rows.seen(), with_key(&rows, 1)), (0, vec![]));
    }
}
