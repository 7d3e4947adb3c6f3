//! The questions of an evaluation to the database, each a short one.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rns_cache::{CacheError, ExposurePolicy};
use rns_formats::{StoreDir, StorePath};
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    LocalStore,
    db::{
        Database,
        statements::{HIGHEST_ROW, REFERENCES_OF_ROW, ROW_OF_PATH},
    },
    store::hash_key,
};

/// Rows that one question of a scan takes.
const MAX_SCAN_PAGE_ROWS: i64 = 20_000;

const SCAN_ROWS: &str = "select id, path, null from ValidPaths where id > ?1 order by id limit ?2";

const SCAN_SIGNATURES: &str =
    "select id, path, sigs from ValidPaths where id > ?1 order by id limit ?2";

/// One statement, so that a row and its references are of one moment.
const NODE: &str = "\
    select path, sigs, (select group_concat(reference, ' ') from Refs where referrer = ?1) \
      from ValidPaths where id = ?1";

const REFERRERS_OF_ROW: &str = "select referrer from Refs where reference = ?1";

const SIGNED_PATH_OF_ROW: &str = "select path, sigs from ValidPaths where id = ?1";

/// The store, for a thread that may block.
#[derive(Clone)]
pub(super) struct DatabaseSource {
    pub(super) database: Database,
    pub(super) file: PathBuf,
    pub(super) store_dir: StoreDir,
    pub(super) real_dir: PathBuf,
    /// Paths that may be kept in memory.
    pub(super) limit: usize,
}

impl DatabaseSource {
    /// The source of this store.
    pub(super) fn of(store: &LocalStore) -> Self {
        let parts = &store.questions().parts;
        Self {
            database: parts.database.clone(),
            file: parts.config.database.clone(),
            store_dir: parts.config.store_dir.clone(),
            real_dir: parts.config.real_dir.clone(),
            limit: parts.config.index_entries,
        }
    }
}

/// A row as an evaluation sees it.
#[derive(Clone, Copy)]
pub(super) struct SeenRow {
    pub(super) id: i64,
    /// The beginning of its hash part; `None` when it is no store path of this store.
    pub(super) key: Option<u64>,
    /// Whether it may not be exposed, going by its name and its signatures.
    pub(super) violates: bool,
    pub(super) is_derivation: bool,
}

/// Some rows, in their order.
#[derive(Default)]
pub(super) struct RowPage {
    pub(super) rows: Vec<SeenRow>,
    /// Which of them match each term of names.
    pub(super) named: Vec<Vec<i64>>,
    /// Every row up to this one has been looked at.
    pub(super) seen: i64,
    pub(super) is_last: bool,
}

impl DatabaseSource {
    /// Which file the database is.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        fs::metadata(Path::new(&self.file)).ok().map(|file| (file.dev(), file.ino()))
    }

    /// An absent store that counts as an empty one answers with nothing.
    fn ask<T: Default>(
        &self,
        question: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CacheError> {
        Ok(self.database.ask_blocking(question)?.unwrap_or_default())
    }

    fn see(
        &self,
        policy: &ExposurePolicy,
        id: i64,
        path: &str,
        signatures: Option<&str>,
    ) -> (SeenRow, Option<StorePath>) {
        let path = self.store_dir.parse_path(path).ok();
        let fits = path.as_ref().is_some_and(|path| {
            policy.denied_by(path.name()).is_none() && policy.is_claimed(signatures)
        });
        let seen = SeenRow {
            id,
            key: path.as_ref().map(|path| hash_key::key(&path.hash_part())),
            violates: !fits,
            is_derivation: path.as_ref().is_some_and(StorePath::is_derivation),
        };
        (seen, path)
    }

    /// The rows behind `after`.
    pub(super) fn page(&self, policy: &ExposurePolicy, after: i64) -> Result<RowPage, CacheError> {
        let statement = if policy.signed_by.is_some() { SCAN_SIGNATURES } else { SCAN_ROWS };
        let question = |connection: &Connection| {
            let moment = connection.unchecked_transaction()?;
            let highest =
                moment.prepare_cached(HIGHEST_ROW)?.query_row([], |row| row.get(0)).optional()?;
            let mut statement = moment.prepare_cached(statement)?;
            let mut found = statement.query((after, MAX_SCAN_PAGE_ROWS))?;
            let mut page =
                RowPage { named: vec![Vec::new(); policy.names.len()], ..RowPage::default() };
            while let Some(row) = found.next()? {
                let (text, signatures) = (row.get_ref(1)?, row.get_ref(2)?);
                let (seen, path) = self.see(
                    policy,
                    row.get(0)?,
                    text.as_str().unwrap_or_default(),
                    signatures.as_str().ok(),
                );
                for (term, named) in policy.names.iter().zip(&mut page.named) {
                    let is_named =
                        |path: &StorePath| term.iter().any(|pattern| pattern.matches(path.name()));
                    named.extend(path.as_ref().is_some_and(is_named).then_some(seen.id));
                }
                page.rows.push(seen);
            }
            page.is_last = page.rows.len() < MAX_SCAN_PAGE_ROWS as usize;
            let last = page.rows.last().map(|row| row.id);
            page.seen = last.filter(|_| !page.is_last).or(highest).unwrap_or(0);
            Ok(page)
        };
        let page = self.ask(question)?;
        Ok(if page.rows.is_empty() { RowPage { is_last: true, ..page } } else { page })
    }

    /// These rows with their references, as far as they are there.
    pub(super) fn nodes(
        &self,
        policy: &ExposurePolicy,
        ids: &[i64],
    ) -> Result<Vec<(SeenRow, Vec<i64>)>, CacheError> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(NODE)?;
            let mut nodes = Vec::with_capacity(ids.len());
            for &id in ids {
                let mut rows = statement.query([id])?;
                let Some(row) = rows.next()? else { continue };
                let (path, signatures, references) =
                    (row.get_ref(0)?, row.get_ref(1)?, row.get_ref(2)?);
                let (seen, _) = self.see(
                    policy,
                    id,
                    path.as_str().unwrap_or_default(),
                    signatures.as_str().ok(),
                );
                let references = references.as_str().unwrap_or_default();
                let references =
                    references.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect();
                nodes.push((seen, references));
            }
            Ok(nodes)
        })
    }

    /// The rows of these paths.
    pub(super) fn rows_of(&self, paths: &[StorePath]) -> Result<Vec<Option<i64>>, CacheError> {
        let rows = self.ask(|connection| {
            let mut statement = connection.prepare_cached(ROW_OF_PATH)?;
            paths
                .iter()
                .map(|path| {
                    statement.query_row([self.store_dir.print(path)], |row| row.get(0)).optional()
                })
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(if rows.is_empty() { vec![None; paths.len()] } else { rows })
    }

    /// For each of these rows those that refer to it.
    pub(super) fn referrers(&self, ids: &[i64]) -> Result<Vec<Vec<i64>>, CacheError> {
        self.related(REFERRERS_OF_ROW, ids)
    }

    /// For each of these rows those that it refers to.
    pub(super) fn references(&self, ids: &[i64]) -> Result<Vec<Vec<i64>>, CacheError> {
        self.related(REFERENCES_OF_ROW, ids)
    }

    fn related(&self, statement: &str, ids: &[i64]) -> Result<Vec<Vec<i64>>, CacheError> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(statement)?;
            ids.iter()
                .map(|id| statement.query_map([id], |row| row.get(0))?.collect())
                .collect::<rusqlite::Result<Vec<Vec<i64>>>>()
        })
    }

    /// Path and signatures of a row, as they are recorded.
    pub(super) fn described(&self, id: i64) -> Option<(String, Option<String>)> {
        let question = |connection: &Connection| {
            let mut statement = connection.prepare_cached(SIGNED_PATH_OF_ROW)?;
            statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        };
        self.ask(question).ok().flatten()
    }
}
