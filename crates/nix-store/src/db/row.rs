//! Rows of the database as typed path information.

use std::sync::Arc;

use rns_formats::{
    ContentAddress, HashPart, PathInfo, Provenance, Sha256Digest, Signature, StoreDir, StorePath,
};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{CacheError, nar::LayoutKey};

/// The row of one valid path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathRow {
    /// The row's number; never used again, so that a path that is collected and comes back has another.
    pub(crate) id: i64,
    /// The path's information. `nar_size` is 0 where a very old Nix did not record it.
    pub(crate) info: Arc<PathInfo>,
}

impl PathRow {
    /// Path and row.
    pub(crate) fn key(&self) -> LayoutKey {
        LayoutKey { hash: self.info.path.hash_part(), row: self.id }
    }
}

/// One statement, so that path and references are of one moment: a path that is collected and
/// registered anew between two statements would otherwise lose its references.
///
/// `path >= '<dir>/<hash>-'` finds the first path at or after the hash part; the caller checks that
/// it has that hash part.
///
/// `v.*` comes last for columns that only some stores have, which are found by their names.
const BY_HASH_PART: &str = "\
    select id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca, \
           (select group_concat(t.path, ' ') from Refs r join ValidPaths t on t.id = r.reference \
             where r.referrer = v.id), \
           v.* \
      from ValidPaths v where path >= ?1 order by path limit 1";

/// The same of a row that is known.
const BY_ID: &str = "\
    select id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca, \
           (select group_concat(t.path, ' ') from Refs r join ValidPaths t on t.id = r.reference \
             where r.referrer = v.id), \
           (select group_concat(reference, ' ') from Refs where referrer = v.id), \
           v.* \
      from ValidPaths v where id = ?1";

/// The valid path of this row with the rows that it refers to, if it is still there.
#[expect(clippy::type_complexity, reason = "the row may be gone, and it may make no sense")]
pub(crate) fn path_by_id(
    connection: &Connection,
    store_dir: &StoreDir,
    id: i64,
) -> rusqlite::Result<Option<(Result<PathRow, CacheError>, Vec<i64>)>> {
    let mut statement = connection.prepare_cached(BY_ID)?;
    statement
        .query_row([id], |row| {
            let references = row.get_ref(10)?.as_str().unwrap_or_default();
            let references =
                references.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect();
            let path = row.get_ref(1)?.as_str().unwrap_or_default().to_owned();
            Ok((read_or_blame(row, store_dir, &path)?, references))
        })
        .optional()
}

/// The valid path with this hash part, if there is one.
pub(crate) fn path_by_hash_part(
    connection: &Connection,
    store_dir: &StoreDir,
    hash: HashPart,
) -> rusqlite::Result<Option<Result<PathRow, CacheError>>> {
    let prefix = format!("{}/{hash}-", store_dir.as_str());
    let mut statement = connection.prepare_cached(BY_HASH_PART)?;
    statement
        .query_row([&prefix], |row| {
            let path: String = row.get(1)?;
            if !path.starts_with(&prefix) {
                return Ok(None);
            }
            read_or_blame(row, store_dir, &path).map(Some)
        })
        .optional()
        .map(Option::flatten)
}

/// A value of another type than the column's is the row's fault, not the database's.
fn read_or_blame(
    row: &Row<'_>,
    store_dir: &StoreDir,
    path: &str,
) -> rusqlite::Result<Result<PathRow, CacheError>> {
    match read(row, store_dir, path) {
        Err(
            error @ (rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)),
        ) => Ok(Err(bad_row(path, error.to_string()))),
        other => other,
    }
}

fn read(
    row: &Row<'_>,
    store_dir: &StoreDir,
    path: &str,
) -> rusqlite::Result<Result<PathRow, CacheError>> {
    let id = row.get(0)?;
    let hash: String = row.get(2)?;
    let registration_time: i64 = row.get(3)?;
    let deriver: Option<String> = row.get(4)?;
    let nar_size: Option<i64> = row.get(5)?;
    let ultimate: Option<i64> = row.get(6)?;
    let signatures: Option<String> = row.get(7)?;
    let ca: Option<String> = row.get(8)?;
    let references: Option<String> = row.get(9)?;
    let provenance: Option<String> = match row.as_ref().column_index("provenance") {
        Ok(column) => row.get(column)?,
        Err(_) => None,
    };

    let bad = |why: String| bad_row(path, why);
    let parse = || {
        let mut references = references
            .as_deref()
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(|reference| store_dir.parse_path(reference))
            .collect::<Result<Vec<StorePath>, _>>()
            .map_err(|error| bad(format!("a reference: {error}")))?;
        references.sort_unstable();
        let info = PathInfo {
            path: store_dir.parse_path(path).map_err(|error| bad(error.to_string()))?,
            nar_hash: Sha256Digest::parse(&hash)
                .map_err(|error| bad(format!("its hash: {error}")))?,
            nar_size: u64::try_from(nar_size.unwrap_or(0))
                .map_err(|_| bad("a negative size".into()))?,
            references,
            // Unsigned, and only hints: a deriver, content address or provenance that makes no sense is left out.
            deriver: deriver.and_then(|deriver| store_dir.parse_path(&deriver).ok()),
            signatures: Signature::filter_valid(signatures.as_deref().unwrap_or_default()),
            ca: ca.and_then(|ca| ContentAddress::parse(&ca).ok()),
            provenance: provenance.and_then(|text| Provenance::parse(&text).ok()),
            unknown: Vec::new(),
            ultimate: ultimate == Some(1),
            registration_time: u64::try_from(registration_time).unwrap_or(0),
        };
        Ok(PathRow { id, info: Arc::new(info) })
    };
    Ok(parse())
}

/// The error for a row that makes no sense.
pub(crate) fn bad_row(path: &str, why: String) -> CacheError {
    CacheError::Invalid { object: format!("the database row of {path}"), why }
}
