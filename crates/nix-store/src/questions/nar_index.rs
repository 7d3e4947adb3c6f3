//! Which paths have a NAR, for URLs that name only its hash.

use std::sync::Arc;

use rns_formats::{HashPart, Sha256Digest, StoreDir};
use rusqlite::Connection;

use crate::{
    CacheError,
    store::{
        StoreParts,
        index::{IndexRound, LazyIndex},
    },
};

/// Paths with one NAR hash that are looked at: the bytes of all are the same. Thousands of paths may be an empty
/// directory.
const MAX_NAR_HASH_PATHS: usize = 32;

const HASHES: &str = "select id, hash from ValidPaths where id > ?1 order by id limit ?2";

const HASH_OF_ROW: &str = "select path, hash from ValidPaths where id = ?1";

/// Nix writes hashes in hex; rows that other tools made may have nix32.
const ROWS_WITH_HASH: &str = "select id, path from ValidPaths where id > ?1 and hash in (?2, ?3)";

/// The NAR hashes of all paths.
pub(crate) struct NarHashes {
    parts: Arc<StoreParts>,
    index: LazyIndex,
}

impl NarHashes {
    pub(crate) fn new(parts: &Arc<StoreParts>) -> Self {
        let index = LazyIndex::new("NAR hashes", parts.config.index_entries);
        Self { parts: Arc::clone(parts), index }
    }

    /// Paths whose NAR has this hash: the latest, up to 32.
    ///
    /// The first such question reads the hashes of all paths, later ones those of paths that are new.
    /// Where there are more paths than the configured bound of the index, paths that are not in it are
    /// searched for in the database, one search at a time.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn find(&self, hash: &Sha256Digest) -> Result<Vec<HashPart>, CacheError> {
        let hash = *hash;
        let asked = self.asked();
        let found = self.indexed(hash, |_| true).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        self.extend(asked).await?;
        self.indexed_or_searched(hash, |_| true).await
    }

    /// To be called before the first look into the index of NAR hashes.
    pub(crate) fn asked(&self) -> IndexRound {
        self.index.asked()
    }

    /// Makes sure that the index of NAR hashes knows all paths from before the question was asked.
    pub(crate) async fn extend(&self, asked: IndexRound) -> Result<(), CacheError> {
        let (database, file) = (&self.parts.database, &self.parts.config.database);
        self.index.extend(asked, database, file, HASHES, entries).await
    }

    /// Paths with this NAR hash among the rows that are shown: by the index, and where that is full, by a search.
    pub(crate) async fn indexed_or_searched(
        &self,
        hash: Sha256Digest,
        is_shown: impl Fn(i64) -> bool + Clone + Send + 'static,
    ) -> Result<Vec<HashPart>, CacheError> {
        let found = self.indexed(hash, is_shown.clone()).await?;
        match self.index.full_behind() {
            Some(row) if found.is_empty() => self.search(hash, row, is_shown).await,
            _ => Ok(found),
        }
    }

    /// The paths of the index among the rows that are shown, checked against the rows.
    pub(crate) async fn indexed(
        &self,
        hash: Sha256Digest,
        is_shown: impl Fn(i64) -> bool + Send,
    ) -> Result<Vec<HashPart>, CacheError> {
        let store_dir = self.parts.store_dir().clone();
        let rows = self.index.rows(key(&hash), MAX_NAR_HASH_PATHS, is_shown);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let question = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(HASH_OF_ROW)?;
            let mut found = Vec::new();
            for row in &rows {
                let mut row = statement.query([row])?;
                let Some(row) = row.next()? else { continue };
                let (path, recorded) = (row.get_ref(0)?.as_str(), row.get_ref(1)?.as_str());
                if recorded.is_ok_and(|recorded| Sha256Digest::parse(recorded) == Ok(hash)) {
                    found.extend(path.ok().and_then(|path| hash_part(&store_dir, path)));
                }
            }
            Ok(found)
        };
        Ok(self.parts.database.ask(question).await?.unwrap_or_default())
    }

    async fn search(
        &self,
        hash: Sha256Digest,
        behind: i64,
        is_shown: impl Fn(i64) -> bool + Send + 'static,
    ) -> Result<Vec<HashPart>, CacheError> {
        let store_dir = self.parts.store_dir().clone();
        let turn = self.index.turn().await;
        let question = move |connection: &Connection| {
            // Held by the search and not by who waits for it, who may go away.
            let _turn = &turn;
            let mut statement = connection.prepare_cached(ROWS_WITH_HASH)?;
            let hex = format!("sha256:{}", hash.to_hex());
            let mut rows = statement.query((behind, hex, hash.to_string()))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                if !is_shown(row.get(0)?) {
                    continue;
                }
                found.extend(
                    row.get_ref(1)?.as_str().ok().and_then(|path| hash_part(&store_dir, path)),
                );
                if found.len() == MAX_NAR_HASH_PATHS {
                    break;
                }
            }
            Ok(found)
        };
        Ok(self.parts.database.ask(question).await?.unwrap_or_default())
    }
}

fn hash_part(store_dir: &StoreDir, path: &str) -> Option<HashPart> {
    Some(store_dir.parse_path(path).ok()?.hash_part())
}

#[expect(clippy::unnecessary_wraps, reason = "the making of an index may fail")]
fn entries(rows: Vec<(i64, String)>) -> Result<Vec<(u64, i64)>, CacheError> {
    let entry = |(row, hash): (i64, String)| Some((key(&Sha256Digest::parse(&hash).ok()?), row));
    Ok(rows.into_iter().filter_map(entry).collect())
}

/// The beginning of a hash stands for it in the index.
fn key(hash: &Sha256Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
