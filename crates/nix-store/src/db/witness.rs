//! Rows that are known to be unchanged without a statement.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    Database,
    btree::{self, ReadPage, Roots, Trace},
    change_detector::{Identity, Snapshot},
    wal::{LogIndex, SCHEMA_COOKIE, field},
};

/// How a row, its references and the rows of these were found in the pages of the database. As long as no commit writes
/// one of the pages, the row is unchanged; after that, the bytes tell.
#[derive(Clone, Debug)]
pub struct Witness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    row: i64,
    place: Place,
    trace: Trace,
}

/// Where the tables are. With the same schema of the same file, they have not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    database: Identity,
    schema: [u8; 4],
    roots: Roots,
}

impl Witness {
    /// Memory that it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Inner>() + size_of_val(self.0.trace.pages.as_slice())
    }
}

/// Pages that are kept as long as the database stays in one state.
const KEPT: usize = 512;

const ROOT: &str = "select rootpage from sqlite_schema where name = ?1";

/// Reads pages as they are in one state of the database, and never waits for them.
#[derive(Default)]
pub(super) struct PageReader {
    log: LogIndex,
    generation: u64,
    pages: HashMap<u32, Arc<[u8]>>,
}

impl Database {
    /// Whether it is certain that a row, which was read in an earlier state, is unchanged in this one: then its
    /// witness, for the next time.
    pub(crate) fn still_holds(
        &self,
        witness: &Witness,
        since: u64,
        generation: u64,
    ) -> Option<Witness> {
        let Inner { row, place, trace } = &*witness.0;
        if self.0.probe.is_untouched(&trace.pages, since) {
            return Some(witness.clone());
        }
        let now = self.trace(*row, place.roots, generation)?;
        (now.place == *place && now.trace.contents == trace.contents)
            .then(|| Witness(Arc::new(now)))
    }

    /// The witness of a row that was read on this connection after the database was found in this state. `None` when it is
    /// in another one by now, and where that cannot be known.
    pub(crate) fn witness(
        &self,
        connection: &Connection,
        row: i64,
        generation: u64,
    ) -> rusqlite::Result<Option<Witness>> {
        let mut statement = connection.prepare_cached(ROOT)?;
        let mut root = |name| statement.query_row([name], |row| row.get::<_, u32>(0)).optional();
        let roots = root("ValidPaths")?.zip(root("sqlite_autoindex_Refs_1")?);
        Ok(roots.and_then(|(paths, references)| {
            let roots = Roots { paths, references };
            self.trace(row, roots, generation).map(|inner| Witness(Arc::new(inner)))
        }))
    }

    /// Reads a row in the state of this number, if that is the present one before and after.
    fn trace(&self, row: i64, roots: Roots, generation: u64) -> Option<Inner> {
        let snapshot = self.0.probe.snapshot(generation)?;
        let mut reader = self.0.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.generation != generation {
            reader.pages.clear();
            reader.generation = generation;
        }
        if !reader.log.extend(&snapshot) {
            return None;
        }
        let mut pages = Pages { snapshot: &snapshot, reader: &mut reader };
        let trace = btree::trace(&mut pages, roots, row);
        let schema = pages.read_page(1).and_then(|page| field(&page, SCHEMA_COOKIE));
        if !schema.is_some_and(|schema| self.0.probe.learn_schema(generation, schema)) {
            // What was read may be of more than one state.
            reader.generation = 0;
            return None;
        }
        let place = Place { database: snapshot.identity, schema: schema?, roots };
        trace.map(|trace| Inner { row, place, trace })
    }
}

struct Pages<'a> {
    snapshot: &'a Snapshot,
    reader: &'a mut PageReader,
}

impl ReadPage for Pages<'_> {
    fn read_page(&mut self, number: u32) -> Option<Arc<[u8]>> {
        if let Some(page) = self.reader.pages.get(&number) {
            return Some(Arc::clone(page));
        }
        let page: Arc<[u8]> = self.reader.log.read(self.snapshot, number)?.into();
        if self.reader.pages.len() < KEPT {
            self.reader.pages.insert(number, Arc::clone(&page));
        }
        Some(page)
    }
}
