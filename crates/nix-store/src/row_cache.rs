//! Rows that were looked up before, for requests that follow one another closely: a client that downloads a closure
//! asks for each NAR just after its narinfo.
//!
//! A row is used again only while the database is in the state it was in before the row was read, or when no commit since
//! has touched it.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use rns_formats::HashPart;

use crate::db::{PathRow, Witness};

pub(crate) struct RowCache(Cache<HashPart, Known, Size>);

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
        let witness = known.row.witness.as_ref().map_or(0, Witness::memory_bytes);
        (512 + 96 * info.references.len() + 160 * info.signatures.len() + witness) as u64
    }
}

impl RowCache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Cache::with_weighter((bytes >> 10).max(64), bytes as u64, Size))
    }

    /// The row, if it is known for this state of the database, or `still` finds it unchanged; 0 is no known state.
    pub(crate) fn get(
        &self,
        hash: &HashPart,
        generation: u64,
        still: impl Fn(&Witness, u64) -> Option<Witness>,
    ) -> Option<Arc<PathRow>> {
        let known = self.0.get(hash).filter(|_| generation != 0)?;
        if known.generation == generation {
            return Some(known.row);
        }
        let witness = still(known.row.witness.as_ref()?, known.generation)?;
        let row = PathRow { witness: Some(witness), ..PathRow::clone(&known.row) };
        let row = Arc::new(row);
        self.insert(*hash, generation, Arc::clone(&row));
        Some(row)
    }

    /// Whether the row was known in some state.
    pub(crate) fn knows(&self, hash: &HashPart) -> bool {
        self.0.peek(hash).is_some()
    }

    /// Remembers a row. The generation must have been asked for before the row was.
    pub(crate) fn insert(&self, hash: HashPart, generation: u64, row: Arc<PathRow>) {
        if generation != 0 {
            self.0.insert(hash, Known { generation, row });
        }
    }
}
