//! From a hash part to its row: by the memory of paths, and where that does not know it by the database.

use std::{num::NonZeroU64, sync::Arc};

use rns_cache::Peek;
use rns_formats::HashPart;

use super::row_reader::{FoundRow, RowReader};
use crate::{
    CacheError,
    store::{
        StoreParts,
        path_memory::{PathMemory, RememberedPath, VersionedRow},
    },
};

/// The rows of valid paths. Clones share their memory.
#[derive(Clone)]
pub(crate) struct PathRows {
    parts: Arc<StoreParts>,
    reader: RowReader,
    memory: Arc<PathMemory>,
}

impl PathRows {
    pub(crate) fn new(parts: &Arc<StoreParts>) -> Self {
        let memory = PathMemory::new(
            &parts.presence,
            &parts.health,
            &parts.nonblocking_io,
            parts.config.layout_cache_bytes,
            parts.config.index_entries,
        );
        Self {
            parts: Arc::clone(parts),
            reader: RowReader::new(Arc::clone(parts)),
            memory: Arc::new(memory),
        }
    }

    /// The row of a path: current at a moment after the question was asked.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read; `Invalid` when its row makes no sense.
    pub(crate) async fn get(&self, hash: HashPart) -> Result<Option<VersionedRow>, CacheError> {
        self.parts.presence.ensure().await?;
        self.get_of_present_store(hash).await
    }

    /// The same where the store is known to be there.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn get_of_present_store(
        &self,
        hash: HashPart,
    ) -> Result<Option<VersionedRow>, CacheError> {
        let generation = self.generation();
        match self.memory.get(&hash, generation) {
            RememberedPath::Hit(known) => return Ok(Some(known)),
            RememberedPath::Miss => return Ok(None),
            RememberedPath::Unknown => {}
        }
        let found = self.reader.read(hash).await?;
        if let FoundRow::Sound(row) = found {
            return Ok(Some(self.memory.insert(hash, generation, row)));
        }
        // A row that is not there, or not as it should be, must not be shown from memory.
        self.memory.forget(&hash);
        match found {
            FoundRow::Absent => self.memory.learn_misses(),
            FoundRow::Unusable(error) => return Err(error),
            FoundRow::Damaged | FoundRow::Sound(_) => {}
        }
        Ok(None)
    }

    /// The answer that needs no waiting.
    pub(crate) fn peek(&self, hash: &HashPart) -> Peek {
        match self.recent(hash, self.generation()) {
            RememberedPath::Hit(known) if known.row.info.nar_size != 0 => {
                Peek::Hit { freshness: known.freshness, nar_hash: known.row.info.nar_hash }
            }
            RememberedPath::Hit(_) | RememberedPath::Unknown => Peek::Unknown,
            RememberedPath::Miss => Peek::Miss,
        }
    }

    /// The memory of a path. While the database changes often, it may be a row that was current within the last
    /// second.
    pub(crate) fn recent(&self, hash: &HashPart, generation: u64) -> RememberedPath {
        if self.parts.database.changes_often() {
            self.memory.get_recent(hash, generation)
        } else {
            self.memory.get(hash, generation)
        }
    }

    /// Whether a path was found damaged, or the whole store not there, so that nothing that was known before counts
    /// until it is looked up again. Never waits.
    pub(crate) fn is_suspect(&self, hash: &HashPart) -> bool {
        self.memory.is_suspect(hash)
    }

    /// The generation of the database some milliseconds ago, where [`Self::peek`] answers for no other one: no path was ever
    /// found damaged, the store is there, and the database does not change all the time. Never waits.
    pub(crate) fn undisturbed_generation(&self) -> Option<NonZeroU64> {
        if self.memory.is_any_suspect() || self.parts.database.changes_often() {
            return None;
        }
        NonZeroU64::new(self.parts.database.recent_generation())
    }

    /// The number of the state that the database is in now; 0 when that cannot be known. An answer from a row is still
    /// true while the number is the one that was read before the row.
    pub(crate) fn generation(&self) -> u64 {
        self.parts.database.generation()
    }
}
