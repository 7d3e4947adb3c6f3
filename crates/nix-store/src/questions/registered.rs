//! Which paths are registered, for work that is done before any client asks.

use std::sync::Arc;

use rns_formats::HashPart;
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    CacheError,
    db::statements::{HIGHEST_ROW, PATH_OF_ROW, PATHS_BEHIND_ROW},
    store::StoreParts,
};

/// New paths that one question to the database takes.
const MAX_REGISTERED_PATHS: i64 = 256;

const NEWEST_ROW: &str = "select coalesce(max(id), 0) from ValidPaths";

/// The rows of all valid paths, by their numbers.
pub(crate) struct RegisteredPaths(Arc<StoreParts>);

impl RegisteredPaths {
    pub(crate) const fn new(parts: Arc<StoreParts>) -> Self {
        Self(parts)
    }

    /// Paths that were registered after the one with this number, up to 256, and the number of the last of them.
    /// `None` only asks for the number of the newest.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn after(&self, row: Option<i64>) -> Result<(Vec<HashPart>, i64), CacheError> {
        let store_dir = self.0.store_dir().clone();
        let question = move |connection: &Connection| {
            let Some(after) = row else {
                let newest =
                    connection.prepare_cached(NEWEST_ROW)?.query_row([], |row| row.get(0))?;
                return Ok((Vec::new(), newest));
            };
            let mut statement = connection.prepare_cached(PATHS_BEHIND_ROW)?;
            let mut rows = statement.query((after, MAX_REGISTERED_PATHS))?;
            let (mut paths, mut last) = (Vec::new(), after);
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let path = row.get_ref(1)?.as_str().ok();
                let path = path.and_then(|path| store_dir.parse_path(path).ok());
                paths.extend(path.map(|path| path.hash_part()));
            }
            // A number that was not given yet is of another database, which this one has replaced.
            if last == after {
                let highest =
                    connection.prepare_cached(HIGHEST_ROW)?.query_row([], |row| row.get(0));
                last = last.min(highest.optional()?.unwrap_or(last));
            }
            Ok((paths, last))
        };
        let found = self.0.database.ask(question).await?;
        Ok(found.unwrap_or_else(|| (Vec::new(), row.unwrap_or(0))))
    }

    /// The paths of these rows, as far as they are there.
    pub(crate) async fn of_rows(&self, rows: Vec<i64>) -> Result<Vec<HashPart>, CacheError> {
        let store_dir = self.0.store_dir().clone();
        let question = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(PATH_OF_ROW)?;
            let mut paths = Vec::new();
            for row in &rows {
                let path: Option<String> =
                    statement.query_row([row], |row| row.get(0)).optional()?;
                let path = path.and_then(|path| store_dir.parse_path(&path).ok());
                paths.extend(path.map(|path| path.hash_part()));
            }
            Ok(paths)
        };
        Ok(self.0.database.ask(question).await?.unwrap_or_default())
    }
}
