//! Rows that were looked up before, for requests that follow one another closely: a client that downloads a closure
//! asks for each NAR just after its narinfo.
//!
//! A row is used again only while the database is in the state it was in before the row was read.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use rns_formats::HashPart;

use crate::db::PathRow;

pub(crate) struct KnownRows(Cache<HashPart, Known, Size>);

#[derive(Clone)]
struct Known {
    generation: u64,
    row: Arc<PathRow>,
}

#[derive(Clone)]
struct Size;

impl Weighter<HashPart, Known> for Size {
    fn weight(&self, _: &HashPart, known: &Known) -> u64 {
        // Names are on the heap, each with its own few words around it; so are signatures.
        let info = &known.row.info;
        (512 + 96 * info.references.len() + 160 * info.signatures.len()) as u64
    }
}

impl KnownRows {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Cache::with_weighter((bytes >> 10).max(64), bytes as u64, Size))
    }

    /// The row, if it is known for this state of the database; 0 is no known state.
    pub(crate) fn get(&self, hash: &HashPart, generation: u64) -> Option<Arc<PathRow>> {
        let known = self.0.get(hash)?;
        (generation != 0 && known.generation == generation).then_some(known.row)
    }

    /// Remembers a row. The generation must have been asked for before the row was.
    pub(crate) fn insert(&self, hash: HashPart, generation: u64, row: Arc<PathRow>) {
        if generation != 0 {
            self.0.insert(hash, Known { generation, row });
        }
    }
}
