//! Which paths have a NAR, for URLs that name only its hash.

use rns_formats::{HashPart, Sha256Digest, StoreDir};
use rusqlite::Connection;

use crate::{CacheError, LocalStore, Nar};

/// Paths with one hash that are of interest: whichever is taken, the bytes are the same. Thousands of
/// paths may be an empty directory.
const MOST: usize = 32;

const HASHES: &str = "select id, hash from ValidPaths where id > ?1 order by id limit ?2";

const ROW: &str = "select path, hash from ValidPaths where id = ?1";

/// Nix writes hashes in hex; rows that other tools made may have nix32.
const SCAN: &str = "select id, path from ValidPaths where id > ?1 and hash in (?2, ?3)";

impl LocalStore {
    /// Paths whose NAR has this hash: the latest, up to 32.
    ///
    /// The first such question reads the hashes of all paths, later ones those of paths that are new.
    /// Where there are more paths than the configured bound of the index, what is not found in it is
    /// searched for in the database, one search at a time.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub async fn find_nar(&self, hash: &Sha256Digest) -> Result<Vec<HashPart>, CacheError> {
        let hash = *hash;
        let index = &self.shared().nar_hashes;
        let (asked, asked_exposure) = (index.asked(), self.asked_exposure());
        let found = self.indexed_nar(hash).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let shared = self.shared();
        index.extend(asked, &shared.database, &shared.config.database, HASHES, entries).await?;
        self.refresh_exposure(asked_exposure).await?;
        let found = self.indexed_nar(hash).await?;
        match index.full_behind() {
            Some(row) if found.is_empty() => self.search_nar(hash, row).await,
            _ => Ok(found),
        }
    }

    /// The NAR with this hash, of whichever path.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn nar_with_hash(
        &self,
        nar_hash: &Sha256Digest,
    ) -> Result<Option<Nar>, CacheError> {
        for hash in self.find_nar(nar_hash).await? {
            if let Some(nar) = self.nar(hash, Some(*nar_hash)).await? {
                return Ok(Some(nar));
            }
        }
        Ok(None)
    }

    /// What the index knows, checked against the rows.
    async fn indexed_nar(&self, hash: Sha256Digest) -> Result<Vec<HashPart>, CacheError> {
        let store_dir = self.store_dir().clone();
        let shown = self.shown()?;
        let rows = self.shared().nar_hashes.rows(key(&hash), MOST, |row| shown.has_row(row));
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let question = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(ROW)?;
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
        let found = self.shared().database.ask(question).await?.unwrap_or_default();
        self.signed(found).await
    }

    async fn search_nar(
        &self,
        hash: Sha256Digest,
        behind: i64,
    ) -> Result<Vec<HashPart>, CacheError> {
        let store_dir = self.store_dir().clone();
        let turn = self.shared().nar_hashes.turn().await;
        let shown = self.shown()?;
        let question = move |connection: &Connection| {
            // Held by the search and not by who waits for it, who may go away.
            let _turn = &turn;
            let mut statement = connection.prepare_cached(SCAN)?;
            let hex = format!("sha256:{}", hash.to_hex());
            let mut rows = statement.query((behind, hex, hash.to_string()))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                if !shown.has_row(row.get(0)?) {
                    continue;
                }
                found.extend(
                    row.get_ref(1)?.as_str().ok().and_then(|path| hash_part(&store_dir, path)),
                );
                if found.len() == MOST {
                    break;
                }
            }
            Ok(found)
        };
        let found = self.shared().database.ask(question).await?.unwrap_or_default();
        self.signed(found).await
    }

    /// Those that may be shown, where that depends on signatures that nobody has checked yet.
    async fn signed(&self, found: Vec<HashPart>) -> Result<Vec<HashPart>, CacheError> {
        if !self.needs_signatures() {
            return Ok(found);
        }
        let mut signed = Vec::new();
        for hash in found {
            signed.extend(self.known_row(hash).await?.map(|_| hash));
        }
        Ok(signed)
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
