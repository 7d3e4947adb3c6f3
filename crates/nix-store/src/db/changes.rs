//! Which pages were written in which state of the database.

use std::collections::HashMap;

use super::wal::Written;

/// Pages that are remembered; with more, everything before is forgotten, and has to be looked up.
const MOST: usize = 65_536;

#[derive(Default)]
pub(super) struct Changes {
    /// What was read in an earlier state may have changed since.
    known_since: u64,
    /// The state in which a page was last written.
    last: HashMap<u32, u64>,
    /// The number of the schema, where it is known.
    schema: Option<[u8; 4]>,
}

impl Changes {
    /// Notes what led to this state; `None` when that is not known.
    pub(super) fn note(&mut self, generation: u64, written: Option<&Written>) {
        let known = written.filter(|written| {
            // Another schema may have moved the tables.
            let same = written.schema.is_none() || written.schema == self.schema;
            self.schema = written.schema.or(self.schema);
            same && self.last.len() <= MOST
        });
        match known {
            Some(written) => {
                self.last.extend(written.pages.iter().map(|page| (*page, generation)));
            }
            None => {
                self.last.clear();
                self.known_since = generation;
            }
        }
    }

    /// Notes the number of the schema in the present state.
    pub(super) const fn learn_schema(&mut self, schema: [u8; 4]) {
        self.schema = Some(schema);
    }

    /// Whether none of the pages was written after this state.
    pub(super) fn none_of(&self, pages: &[u32], since: u64) -> bool {
        since >= self.known_since
            && pages.iter().all(|page| self.last.get(page).is_none_or(|last| *last <= since))
    }
}
