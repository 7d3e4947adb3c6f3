//! Where the debug information of a program is.
//!
//! Nixpkgs puts it into an output, mostly one called `debug`, as `lib/debug/.build-id/<2 digits>/<38 digits>.debug`,
//! by the build id that program and debug information have in common.

use std::{
    io::{self, ErrorKind},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use rns_cache::DebugInfo;
use rns_formats::{BuildId, Compression, NarName, PathInfo, StoreDir, StorePath};
use rusqlite::{Connection, OptionalExtension as _};
use rustix::fs::{self, Dir, FileType, Mode, OFlags};
use tokio::task::spawn_blocking;

use super::path_infos::PathInfos;
use crate::{
    CacheError,
    db::statements::PATH_OF_ROW,
    file_io::resolve_beneath::is_absent,
    nar::{DIRECTORY_FLAGS, FILE, open_beneath},
    store::{
        StoreParts,
        index::{IndexRound, LazyIndex},
    },
};

/// Where debug information is in a path, without the name.
const DIRECTORY_OF_IDS: &str = "lib/debug/.build-id";

/// Paths with one build id that are looked at. Programs that are rebuilt without change share it.
const MAX_BUILD_ID_PATHS: usize = 32;

const OUTPUTS_BEHIND_ROW: &str =
    "select id, path from ValidPaths where id > ?1 and path not glob '*.drv' order by id limit ?2";

/// The files with debug information of all paths.
pub(crate) struct DebugFiles {
    parts: Arc<StoreParts>,
    paths: PathInfos,
    index: LazyIndex,
}

impl DebugFiles {
    pub(crate) fn new(parts: &Arc<StoreParts>, paths: PathInfos) -> Self {
        let index = LazyIndex::new("debug information", parts.config.index_entries);
        Self { parts: Arc::clone(parts), paths, index }
    }

    /// The debug information with this build id, in the latest path that has it. `None` when no valid path
    /// has it.
    ///
    /// A question about an id that is not known looks into the paths that are new since the
    /// last one; the first one into all of them. The index of ids has the configured bound.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn find(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        let asked = self.asked();
        if let Some(found) = self.indexed(id).await? {
            return Ok(Some(found));
        }
        self.extend(asked).await?;
        self.indexed(id).await
    }

    async fn indexed(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        for path in self.paths_with(id, |_| true).await? {
            if self.has_file(&path, id).await?
                && let Some(info) = self.paths.get(path.hash_part()).await?
            {
                return Ok(Some(debug_info(id, &info)));
            }
        }
        Ok(None)
    }

    /// To be called before the first look into the index of debug information.
    pub(crate) fn asked(&self) -> IndexRound {
        self.index.asked()
    }

    /// Makes sure that the index of debug information knows all paths from before the question was asked.
    pub(crate) async fn extend(&self, asked: IndexRound) -> Result<(), CacheError> {
        let parts = Arc::clone(&self.parts);
        let entries = move |rows| entries(&parts.config.real_dir, parts.store_dir(), rows);
        let (database, file) = (&self.parts.database, &self.parts.config.database);
        self.index.extend(asked, database, file, OUTPUTS_BEHIND_ROW, entries).await
    }

    /// The paths of the index that may have this debug information, among the rows that are shown.
    pub(crate) async fn paths_with(
        &self,
        id: &BuildId,
        is_shown: impl Fn(i64) -> bool + Send,
    ) -> Result<Vec<StorePath>, CacheError> {
        let store_dir = self.parts.store_dir().clone();
        let rows = self.index.rows(key(id), MAX_BUILD_ID_PATHS, is_shown);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let question = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(PATH_OF_ROW)?;
            let mut paths = Vec::new();
            for row in &rows {
                let path: Option<String> =
                    statement.query_row([row], |row| row.get(0)).optional()?;
                paths.extend(path.and_then(|path| store_dir.parse_path(&path).ok()));
            }
            Ok(paths)
        };
        Ok(self.parts.database.ask(question).await?.unwrap_or_default())
    }

    /// Whether the file with this debug information is in a path.
    pub(crate) async fn has_file(
        &self,
        path: &StorePath,
        id: &BuildId,
    ) -> Result<bool, CacheError> {
        let (parts, file) = (Arc::clone(&self.parts), format!("{path}/{}", member(id)));
        let is_there = spawn_blocking(move || is_file(&parts.config.real_dir, &file));
        is_there.await.map_err(|_| CacheError::ShuttingDown)?
    }
}

/// The debug information in this path.
pub(crate) fn debug_info(id: &BuildId, info: &PathInfo) -> DebugInfo {
    let name = NarName::new(info.path.hash_part(), info.nar_hash, Compression::None);
    DebugInfo { archive: format!("../{}", name.canonical_url()), member: member(id) }
}

fn member(id: &BuildId) -> String {
    let id = id.to_string();
    let (directory, file) = id.split_at_checked(2).unwrap_or_default();
    format!("{DIRECTORY_OF_IDS}/{directory}/{file}.debug")
}

/// The beginning of a build id stands for it in the index.
fn key(id: &BuildId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn is_file(real_dir: &Path, name: &str) -> Result<bool, CacheError> {
    let store = open_store(real_dir)?;
    let is_file = open_beneath(store.as_fd(), name.as_bytes(), FILE).and_then(|file| {
        let stat = fs::fstat(&file)?;
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    });
    unless_absent(is_file)
        .map(Option::unwrap_or_default)
        .map_err(CacheError::io("open", real_dir.join(name)))
}

/// `None` for a file that is not there, or not for this process.
fn unless_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) || error.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

fn open_store(real_dir: &Path) -> Result<OwnedFd, CacheError> {
    fs::open(real_dir, DIRECTORY_FLAGS.difference(OFlags::NOFOLLOW), Mode::empty())
        .map_err(|error| CacheError::io("open", real_dir)(error.into()))
}

/// The build ids in these paths.
fn entries(
    real_dir: &Path,
    store_dir: &StoreDir,
    rows: Vec<(i64, String)>,
) -> Result<Vec<(u64, i64)>, CacheError> {
    let store = open_store(real_dir)?;
    let mut entries = Vec::new();
    for (row, path) in rows {
        let Ok(path) = store_dir.parse_path(&path) else { continue };
        let ids = build_ids(store.as_fd(), &path)
            .map_err(CacheError::io("read", real_dir.join(path.as_str())))?;
        entries.extend(ids.iter().map(|id| (key(id), row)));
    }
    Ok(entries)
}

fn build_ids(store: BorrowedFd<'_>, path: &StorePath) -> io::Result<Vec<BuildId>> {
    let mut ids = Vec::new();
    let top = open_beneath(store, format!("{path}/{DIRECTORY_OF_IDS}").as_bytes(), DIRECTORY_FLAGS);
    let Some(top) = unless_absent(top)? else { return Ok(ids) };
    for prefix in names(top.as_fd())?.iter().filter(|name| name.len() == 2) {
        let directory = open_beneath(top.as_fd(), prefix.as_bytes(), DIRECTORY_FLAGS);
        let Some(directory) = unless_absent(directory)? else { continue };
        for name in names(directory.as_fd())? {
            let Some(rest) = name.strip_suffix(".debug") else { continue };
            ids.extend(BuildId::parse(&format!("{prefix}{rest}")));
        }
    }
    Ok(ids)
}

/// The names in a directory that could be a part of a build id.
fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        names.extend(
            entry
                .file_name()
                .to_str()
                .ok()
                .map(str::to_owned)
                .filter(|name| !name.starts_with('.')),
        );
    }
    Ok(names)
}
