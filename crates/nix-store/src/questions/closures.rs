//! The closures of paths, for sums over them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use rns_formats::StorePath;
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    CacheError,
    db::statements::{REFERENCES_OF_ROW, ROW_OF_PATH},
    store::StoreParts,
};

const SIZE: &str = "select coalesce(narSize, 0) from ValidPaths where id = ?1";

/// Some paths with all that they need.
#[derive(Default)]
pub(crate) struct Closures {
    /// The rows of the paths themselves, of those that are valid.
    pub(crate) rows: BTreeMap<StorePath, i64>,
    /// Every path by its row, with the bytes of its NAR.
    pub(crate) paths: Vec<(i64, Option<u64>)>,
    /// Referrer and reference, by their rows.
    pub(crate) edges: Vec<(i64, i64)>,
}

/// Finds closures.
pub(crate) struct ClosureFinder(Arc<StoreParts>);

impl ClosureFinder {
    pub(crate) const fn new(parts: Arc<StoreParts>) -> Self {
        Self(parts)
    }

    /// The closures of these paths, unless there are more than `limit` paths in them; statement by statement: a long transaction
    /// would keep Nix from tidying up its database.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn of(
        &self,
        paths: Vec<StorePath>,
        limit: usize,
    ) -> Result<Option<Closures>, CacheError> {
        let store_dir = self.0.store_dir().clone();
        let question = move |connection: &Connection| {
            let mut closures = Closures::default();
            let mut row = connection.prepare_cached(ROW_OF_PATH)?;
            for path in &paths {
                let found = row.query_row([store_dir.print(path)], |row| row.get(0)).optional()?;
                closures.rows.extend(found.map(|found| (path.clone(), found)));
            }
            let mut seen: HashSet<i64> = closures.rows.values().copied().collect();
            let mut next: Vec<i64> = seen.iter().copied().collect();
            let mut size = connection.prepare_cached(SIZE)?;
            let mut references = connection.prepare_cached(REFERENCES_OF_ROW)?;
            while let Some(id) = next.pop() {
                if closures.paths.len() == limit {
                    return Ok(None);
                }
                let bytes = size.query_row([id], |row| row.get::<_, i64>(0)).optional()?;
                closures.paths.push((id, bytes.map(i64::unsigned_abs)));
                let mut rows = references.query([id])?;
                while let Some(row) = rows.next()? {
                    let reference = row.get(0)?;
                    closures.edges.push((id, reference));
                    if seen.insert(reference) {
                        next.push(reference);
                    }
                }
            }
            Ok(Some(closures))
        };
        Ok(self.0.database.ask(question).await?.unwrap_or_else(|| Some(Closures::default())))
    }
}
