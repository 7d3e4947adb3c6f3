//! The whole store without paths that a policy hides and their referrers.

use std::collections::HashSet;

use super::{
    graph::{MAX_EXAMPLES, MAX_ROWS_AT_ONCE, Withheld},
    outcome::{EvaluationFailure, SetChange},
    set::{Set, SetEntry},
    source::{DatabaseSource, SeenRow},
};

/// The table of valid paths, as far as it was read.
#[derive(Default)]
pub(super) struct Scan {
    /// Rows that are not exposed.
    hidden: HashSet<i64>,
    withheld: Withheld,
    /// New rows that may be exposed, going by themselves.
    fresh: Vec<SetEntry>,
    /// New rows that may not.
    condemned: Vec<i64>,
    /// Whether there are derivations among those that may.
    derivations: bool,
}

impl Scan {
    /// Rows in memory besides the exposed ones.
    pub(super) fn len(&self) -> usize {
        self.hidden.len() + self.fresh.len() + self.condemned.len()
    }

    pub(super) const fn withheld(&self) -> &Withheld {
        &self.withheld
    }

    pub(super) fn see(&mut self, row: SeenRow) {
        match row.key {
            Some(key) if !row.violates => {
                self.fresh.push((key, row.id));
                self.derivations |= row.is_derivation;
            }
            _ => self.condemned.push(row.id),
        }
    }

    /// A row turned out to be one that may not be exposed.
    pub(super) fn condemn(&mut self, row: i64) {
        self.condemned.push(row);
    }

    /// Brings the set up to date with the rows that were seen.
    pub(super) fn settle(
        &mut self,
        source: &DatabaseSource,
        set: &mut Set,
        is_first: bool,
    ) -> Result<SetChange, EvaluationFailure> {
        let mut newly = Vec::new();
        if !is_first {
            self.hide_fresh(source, &mut newly)?;
        }
        for row in std::mem::take(&mut self.condemned) {
            if self.hidden.insert(row) {
                newly.push((row, row));
            }
        }
        let newly = match is_first && newly.len() > self.fresh.len() {
            // The shorter way, where most of the store is hidden.
            true => {
                self.hide_downwards(source).map(|()| newly.into_iter().map(|it| it.0).collect())?
            }
            false => self.hide_referrers(source, newly)?,
        };
        let mut added = std::mem::take(&mut self.fresh);
        added.retain(|entry| !self.hidden.contains(&entry.1));
        let derivations = std::mem::take(&mut self.derivations);
        if is_first {
            *set = Set::new(added);
            return Ok(SetChange::Other);
        }
        let taken: HashSet<i64> = newly.into_iter().filter(|&row| set.has_row(row)).collect();
        if !taken.is_empty() {
            *set = set.without(&taken);
        }
        let is_grown = !added.is_empty();
        if is_grown {
            *set = set.with(added);
        }
        Ok(match (taken.is_empty(), is_grown) {
            (false, _) => SetChange::Other,
            (true, true) => SetChange::Grown { derivations },
            (true, false) => SetChange::None,
        })
    }

    /// Hides new rows that refer to hidden ones.
    fn hide_fresh(
        &mut self,
        source: &DatabaseSource,
        newly: &mut Vec<(i64, i64)>,
    ) -> Result<(), EvaluationFailure> {
        let rows: Vec<i64> = self.fresh.iter().map(|entry| entry.1).collect();
        for rows in rows.chunks(MAX_ROWS_AT_ONCE) {
            for (&row, references) in rows.iter().zip(source.references(rows)?) {
                let cause =
                    references.into_iter().find(|reference| self.hidden.contains(reference));
                if let Some(cause) = cause {
                    self.withhold(row, cause, newly);
                }
            }
        }
        Ok(())
    }

    /// Hides the referrers of these rows, and theirs; each comes with its cause. All that is hidden
    /// by this.
    fn hide_referrers(
        &mut self,
        source: &DatabaseSource,
        mut next: Vec<(i64, i64)>,
    ) -> Result<Vec<i64>, EvaluationFailure> {
        let mut newly = Vec::with_capacity(next.len());
        while !next.is_empty() {
            let page = next.split_off(next.len().saturating_sub(MAX_ROWS_AT_ONCE));
            let rows: Vec<i64> = page.iter().map(|(row, _)| *row).collect();
            for ((_, cause), referrers) in page.iter().zip(source.referrers(&rows)?) {
                for referrer in referrers {
                    self.withhold(referrer, *cause, &mut next);
                }
            }
            newly.extend(rows);
        }
        Ok(newly)
    }

    /// The same for all rows that may be exposed, by looking at their references.
    fn hide_downwards(&mut self, source: &DatabaseSource) -> Result<(), EvaluationFailure> {
        let rows: Vec<i64> = self.fresh.iter().map(|entry| entry.1).collect();
        // A row, and one that refers to it.
        let mut referrers = Vec::new();
        let mut next = Vec::new();
        for rows in rows.chunks(MAX_ROWS_AT_ONCE) {
            for (&row, references) in rows.iter().zip(source.references(rows)?) {
                for reference in references.into_iter().filter(|&reference| reference != row) {
                    if self.hidden.contains(&reference) {
                        self.withhold(row, reference, &mut next);
                    } else {
                        referrers.push((reference, row));
                    }
                }
            }
        }
        referrers.sort_unstable();
        while let Some((row, cause)) = next.pop() {
            let start = referrers.partition_point(|edge: &(i64, i64)| edge.0 < row);
            let of_row = referrers.get(start..).unwrap_or_default();
            for (_, referrer) in of_row.iter().take_while(|edge| edge.0 == row) {
                self.withhold(*referrer, cause, &mut next);
            }
        }
        Ok(())
    }

    fn withhold(&mut self, row: i64, cause: i64, newly: &mut Vec<(i64, i64)>) {
        if self.hidden.insert(row) {
            newly.push((row, cause));
            self.withheld.number += 1;
            if self.withheld.examples.len() < MAX_EXAMPLES {
                self.withheld.examples.push((row, cause));
            }
        }
    }
}
