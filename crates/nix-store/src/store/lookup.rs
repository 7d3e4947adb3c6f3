//! From a hash part to its row.

use std::sync::Arc;

use rns_cache::Peek;
use rns_formats::{HashPart, PathInfo};
use rusqlite::Connection;

use crate::{
    CacheError, LocalStore,
    db::{PathRow, path_by_hash_part},
    file_io::file_time::FileTime,
    nar,
    store::{
        StoreParts,
        path_health::Health,
        path_memory::{Remembered, VersionedRow},
    },
};

impl LocalStore {
    /// The row of the valid path with this hash part. `None` when there is no such path, or
    /// when its files are known to be gone.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read; `Invalid` when its row makes no sense.
    pub async fn path_info(&self, hash: HashPart) -> Result<Option<Arc<PathInfo>>, CacheError> {
        let known = self.known_path(hash).await?;
        Ok(known.map(|known| Arc::clone(&known.row.info)))
    }

    /// The row of a path: current at a moment after the question was asked.
    pub(crate) async fn known_row(
        &self,
        hash: HashPart,
    ) -> Result<Option<VersionedRow>, CacheError> {
        self.shared().presence.ensure().await?;
        self.any_row(hash).await
    }

    /// The row of a path, with its size.
    pub(crate) async fn known_path(
        &self,
        hash: HashPart,
    ) -> Result<Option<VersionedRow>, CacheError> {
        match self.known_row(hash).await? {
            Some(known) => self.with_size(known).await,
            None => Ok(None),
        }
    }

    /// The same row with its size. `None` when the files of the path are gone.
    pub(crate) async fn with_size(
        &self,
        mut known: VersionedRow,
    ) -> Result<Option<VersionedRow>, CacheError> {
        if known.row.info.nar_size == 0 {
            // A row of a very old Nix has no size; clients insist on one.
            let Some(nar) = self.open_nar(&known.row).await? else { return Ok(None) };
            Arc::make_mut(&mut known.row).info = nar.info;
        }
        Ok(Some(known))
    }

    /// The answer that needs no waiting.
    pub(crate) fn peek_row(&self, hash: &HashPart) -> Peek {
        let generation = self.generation();
        match self.recent_row(hash, generation) {
            Remembered::Hit(known) if known.row.info.nar_size != 0 => {
                Peek::Hit { freshness: known.freshness, nar_hash: known.row.info.nar_hash }
            }
            Remembered::Hit(_) | Remembered::Unknown => Peek::Unknown,
            Remembered::Miss => Peek::Miss,
        }
    }

    /// The memory of a path. While the database changes often, it may be a row that was current within the last
    /// second.
    pub(crate) fn recent_row(&self, hash: &HashPart, generation: u64) -> Remembered {
        let shared = self.shared();
        if shared.database.changes_often() {
            shared.memory.get_recent(hash, generation)
        } else {
            shared.memory.get(hash, generation)
        }
    }

    /// The same as [`Self::known_row`] where the store is known to be there.
    pub(crate) async fn any_row(&self, hash: HashPart) -> Result<Option<VersionedRow>, CacheError> {
        let generation = self.generation();
        match self.shared().memory.get(&hash, generation) {
            Remembered::Hit(known) => Ok(Some(known)),
            Remembered::Miss => Ok(None),
            Remembered::Unknown => self.read_row(hash, generation).await,
        }
    }

    /// The row of a valid path whose files are there. The generation is the present one.
    async fn read_row(
        &self,
        hash: HashPart,
        generation: u64,
    ) -> Result<Option<VersionedRow>, CacheError> {
        let shared = Arc::clone(self.shared());
        let question = move |connection: &Connection| {
            let row = path_by_hash_part(connection, &shared.config.store_dir, hash)?;
            Ok(row.map(|row| row.map(|row| (shared.look(&row), row))))
        };
        let found = self.shared().database.ask(question).await?.flatten();
        if !matches!(found, Some(Ok((Ok(Health::Sound | Health::Changed), _)))) {
            // A row that is not there, or not as it should be, must not be shown from memory.
            self.shared().memory.forget(&hash);
        }
        let Some(row) = found else {
            self.shared().memory.learn_misses();
            return Ok(None);
        };
        let (health, row) = row?;
        let health = health?;
        if health != Health::Sound {
            self.shared().layouts.remove(&row.key());
        }
        if health == Health::Damaged {
            return Ok(None);
        }
        Ok(Some(self.shared().memory.insert(hash, generation, row)))
    }
}

impl StoreParts {
    /// Whether the files of a row are there, and not known to be damaged. Blocks.
    fn look(&self, row: &PathRow) -> Result<Health, CacheError> {
        let (key, started) = (row.key(), FileTime::now());
        let health = self.health.look(&key, &row.info.path);
        if health == Health::Damaged {
            return Ok(health);
        }
        let path = self.config.real_dir.join(row.info.path.as_str());
        let Err(source) = path.symlink_metadata() else { return Ok(health) };
        let error = nar::of_path(&row.info.path, CacheError::io("find", path)(source));
        match self.health.judge(key, started, error) {
            CacheError::Damaged { .. } | CacheError::Gone { .. } => Ok(Health::Damaged),
            error => Err(error),
        }
    }
}
