//! Reads the row of a hash part from the database, and looks whether its files are there.

use std::sync::Arc;

use rns_formats::HashPart;
use rusqlite::Connection;

use crate::{
    CacheError,
    db::{PathRow, path_by_hash_part},
    file_io::file_time::FileTime,
    nar,
    store::{StoreParts, path_health::Health},
};

/// The answer of the database about a hash part.
pub(super) enum FoundRow {
    /// No valid path has it.
    Absent,
    /// The files of the path are not there, or contradict its row.
    Damaged,
    /// The row makes no sense, or the system cannot say whether its files are there.
    Unusable(CacheError),
    /// The row of a path whose files are there.
    Sound(PathRow),
}

/// The question for a row.
#[derive(Clone)]
pub(super) struct RowReader(Arc<StoreParts>);

impl RowReader {
    pub(super) const fn new(parts: Arc<StoreParts>) -> Self {
        Self(parts)
    }

    /// The row of a path: current at a moment after the question was asked.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(super) async fn read(&self, hash: HashPart) -> Result<FoundRow, CacheError> {
        let parts = Arc::clone(&self.0);
        let question = move |connection: &Connection| {
            let row = path_by_hash_part(connection, parts.store_dir(), hash)?;
            Ok(row.map(|row| row.map(|row| (look(&parts, &row), row))))
        };
        let Some(row) = self.0.database.ask(question).await?.flatten() else {
            return Ok(FoundRow::Absent);
        };
        let (health, row) = match row {
            Ok((Ok(health), row)) => (health, row),
            Ok((Err(error), _)) | Err(error) => return Ok(FoundRow::Unusable(error)),
        };
        if health != Health::Sound {
            self.0.layouts.remove(&row.key());
        }
        Ok(match health {
            Health::Damaged => FoundRow::Damaged,
            Health::Sound | Health::Changed => FoundRow::Sound(row),
        })
    }
}

/// Whether the files of a row are there, and not known to be damaged. Blocks.
fn look(parts: &StoreParts, row: &PathRow) -> Result<Health, CacheError> {
    let (key, started) = (row.key(), FileTime::now());
    let health = parts.health.look(&key, &row.info.path);
    if health == Health::Damaged {
        return Ok(health);
    }
    let path = parts.config.real_dir.join(row.info.path.as_str());
    let Err(source) = path.symlink_metadata() else { return Ok(health) };
    let error = nar::of_path(&row.info.path, CacheError::io("find", path)(source));
    match parts.health.judge(key, started, error) {
        CacheError::Damaged { .. } | CacheError::Gone { .. } => Ok(Health::Damaged),
        error => Err(error),
    }
}
