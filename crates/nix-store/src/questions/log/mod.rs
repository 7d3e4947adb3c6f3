//! Build logs. They stay when their derivation is collected.

mod unpack;

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use rns_cache::{BuildLog, LogContents, MemoryBlob};
use rns_formats::{HashPart, LogName, PathInfo, StorePath};
use rustix::fs::{self, FileType, Mode, OFlags};
use tokio::{sync::Semaphore, task::spawn_blocking};

use self::unpack::{MAX_WHOLE_BYTES, Unpacker, unpack};
use super::path_infos::PathInfos;
use crate::{
    CacheError, Chunks,
    file_io::{
        chunks::{FileBlob, ReadAhead},
        resolve_beneath::is_absent,
    },
    nar::{DIRECTORY_FLAGS, FILE, open_beneath, size},
    store::StoreParts,
};

/// Logs unpacked at the same time before anything of them is sent.
static UNPACKING: Semaphore = Semaphore::const_new(4);

/// The text of a log that is unpacked while it is read.
struct LogStream(ReadAhead<Unpacker>);

impl Chunks for LogStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        self.0.poll_chunk(cx)
    }
}

/// The logs of builds on this machine.
pub(crate) struct BuildLogs {
    parts: Arc<StoreParts>,
    paths: PathInfos,
}

impl BuildLogs {
    pub(crate) fn new(parts: &Arc<StoreParts>, paths: PathInfos) -> Self {
        Self { parts: Arc::clone(parts), paths }
    }

    /// The log of a derivation's build, whether or not the derivation is still valid. `None` when there is none.
    ///
    /// # Errors
    /// `Io` when it is there but cannot be read, `Invalid` when it is no bzip2 file though its name says so.
    pub(crate) async fn find(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        let by_hash = match name.hash_part() {
            Some(hash) => match self.paths.get(hash).await? {
                Some(info) => derivation_of(&info),
                None => self.derivations_with_hash_part(hash).await?,
            },
            None => Vec::new(),
        };
        self.of_derivations(name.candidates().cloned().chain(by_hash).collect()).await
    }

    /// The log of the first of these derivations that has one.
    pub(crate) async fn of_derivations(
        &self,
        derivations: Vec<StorePath>,
    ) -> Result<Option<BuildLog>, CacheError> {
        let parts = Arc::clone(&self.parts);
        if derivations.is_empty() {
            return Ok(None);
        }
        let found = spawn_blocking(move || find(&parts.config.log_dir, &derivations));
        let Some(found) = found.await.map_err(|_| CacheError::ShuttingDown)?? else {
            return Ok(None);
        };
        let FoundLog { file, path, len, packed, etag } = found;
        let streamed = |file, path| {
            LogContents::Stream(Box::new(LogStream(ReadAhead::start(Unpacker::new(file, path)))))
        };
        let contents = match packed {
            false => {
                let etag = etag.clone();
                LogContents::Sized(Arc::new(FileBlob { file, path, len, etag }))
            }
            // A compressed log is never much longer than its text.
            true if len > MAX_WHOLE_BYTES + MAX_WHOLE_BYTES / 16 => streamed(&file, &path),
            true => {
                let permit = UNPACKING.acquire().await.map_err(|_| CacheError::ShuttingDown)?;
                let unpacked = spawn_blocking(move || {
                    let _permit = permit;
                    unpack(&file, &path).map(|bytes| (bytes, file, path))
                });
                match unpacked.await.map_err(|_| CacheError::ShuttingDown)?? {
                    (Some(bytes), ..) => {
                        LogContents::Sized(Arc::new(MemoryBlob { bytes, etag: etag.clone() }))
                    }
                    (None, file, path) => streamed(&file, &path),
                }
            }
        };
        Ok(Some(BuildLog { contents, etag }))
    }

    /// Those of the derivations that have a log.
    ///
    /// # Errors
    /// `Io` when one is there but cannot be read.
    pub(crate) async fn existing(
        &self,
        derivations: Vec<StorePath>,
    ) -> Result<Vec<StorePath>, CacheError> {
        let parts = Arc::clone(&self.parts);
        let look = move || {
            let looked = derivations.into_iter().map(|derivation| {
                let found = find(&parts.config.log_dir, std::slice::from_ref(&derivation))?;
                Ok(found.map(|_| derivation))
            });
            looked.filter_map(Result::transpose).collect()
        };
        spawn_blocking(look).await.map_err(|_| CacheError::ShuttingDown)?
    }

    /// The derivations with this hash part that have left a log, though no such path is valid.
    pub(crate) async fn derivations_with_hash_part(
        &self,
        hash: HashPart,
    ) -> Result<Vec<StorePath>, CacheError> {
        let parts = Arc::clone(&self.parts);
        spawn_blocking(move || with_logs(&parts.config.log_dir, &hash))
            .await
            .map_err(|_| CacheError::ShuttingDown)?
    }
}

/// The derivation whose log is that of a path: the path itself, or the one that has built it.
pub(crate) fn derivation_of(info: &PathInfo) -> Vec<StorePath> {
    let derivation =
        if info.path.is_derivation() { Some(&info.path) } else { info.deriver.as_ref() };
    derivation.cloned().into_iter().collect()
}

/// The derivations with this hash part that have a log.
fn with_logs(log_dir: &Path, hash: &HashPart) -> Result<Vec<StorePath>, CacheError> {
    let hash = hash.to_string();
    let (first, rest) = hash.split_at_checked(2).unwrap_or_default();
    let entries = match std::fs::read_dir(log_dir.join(first)) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(CacheError::io("read", log_dir.join(first))(error)),
    };
    let mut derivations: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name =
                entry.file_name().into_string().ok().filter(|name| name.starts_with(rest))?;
            let name = name.strip_suffix(".bz2").unwrap_or(&name);
            StorePath::parse(&format!("{first}{name}")).ok().filter(StorePath::is_derivation)
        })
        .collect();
    derivations.sort_unstable();
    derivations.dedup();
    Ok(derivations)
}

/// A log file that is there.
struct FoundLog {
    file: Arc<OwnedFd>,
    path: Arc<Path>,
    len: u64,
    packed: bool,
    etag: String,
}

/// Looks where Nix keeps logs, below a directory of the first two characters, and where it once did.
fn find(log_dir: &Path, derivations: &[StorePath]) -> Result<Option<FoundLog>, CacheError> {
    let directory =
        match fs::open(log_dir, DIRECTORY_FLAGS.difference(OFlags::NOFOLLOW), Mode::empty()) {
            Ok(directory) => directory,
            Err(error) if is_absent(&error.into()) => return Ok(None),
            Err(error) => return Err(CacheError::io("open", log_dir)(error.into())),
        };
    for derivation in derivations {
        let base = derivation.as_str();
        let (first, rest) = base.split_at_checked(2).unwrap_or((base, ""));
        for place in [format!("{first}/{rest}"), base.to_owned()] {
            for (place, packed) in [(place.clone(), false), (place + ".bz2", true)] {
                let found = open(directory.as_fd(), log_dir, &place, packed);
                if let Some(found) = found.map_err(CacheError::io("open", log_dir.join(&place)))? {
                    return Ok(Some(found));
                }
            }
        }
    }
    Ok(None)
}

fn open(
    directory: BorrowedFd<'_>,
    log_dir: &Path,
    place: &str,
    packed: bool,
) -> io::Result<Option<FoundLog>> {
    let file = match open_beneath(directory, place.as_bytes(), FILE) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let stat = fs::fstat(&file)?;
    let len = size(&stat);
    // A compressed log begins as an empty file, until there is enough of it for a first block.
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || packed && len == 0 {
        return Ok(None);
    }
    let etag = format!("{len:x}-{:x}.{:x}", stat.st_mtime, stat.st_mtime_nsec);
    Ok(Some(FoundLog { file: Arc::new(file), path: log_dir.join(place).into(), len, packed, etag }))
}
