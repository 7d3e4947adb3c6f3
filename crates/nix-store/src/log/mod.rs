//! Build logs. They stay when their derivation is collected.

mod unpack;

use std::{
    io,
    ops::Range,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use rns_formats::{LogName, StorePath};
use rustix::fs::{self, FileType, Mode, OFlags};
use tokio::{sync::Semaphore, task::spawn_blocking};

use self::unpack::{Unpacker, WHOLE, unpack};
use crate::{
    Chunks, FileStream, LocalStore, StoreError,
    chunks::ReadAhead,
    nar::{DIRECTORY, FILE, open_beneath, size},
    resolve_beneath::is_absent,
};

/// Logs unpacked at the same time before anything of them is sent.
static UNPACKING: Semaphore = Semaphore::const_new(4);

/// A build log.
pub struct BuildLog {
    contents: Contents,
    etag: String,
}

enum Contents {
    Plain { file: Arc<OwnedFd>, path: Arc<Path>, len: u64 },
    Unpacked(Bytes),
    Packed { file: Arc<OwnedFd>, path: Arc<Path> },
}

impl BuildLog {
    /// Its length in bytes. `None` for a compressed one of more than 4 MiB.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an empty log is a log")]
    pub const fn len(&self) -> Option<u64> {
        match &self.contents {
            Contents::Plain { len, .. } => Some(*len),
            Contents::Unpacked(bytes) => Some(bytes.len() as u64),
            Contents::Packed { .. } => None,
        }
    }

    /// A text that changes when the log does: of the file's size and time of change.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The bytes of `range`, which lies within the log; all of them where the length is not known.
    #[must_use]
    pub fn read(&self, range: Range<u64>) -> LogStream {
        LogStream(match &self.contents {
            Contents::Plain { file, path, .. } => {
                Stream::Plain(FileStream::start(Arc::clone(file), Arc::clone(path), range))
            }
            Contents::Unpacked(bytes) => {
                let offset =
                    |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
                let (start, end) = (offset(range.start), offset(range.end));
                Stream::Unpacked(
                    Some(bytes.slice(start.min(end)..end)).filter(|bytes| !bytes.is_empty()),
                )
            }
            Contents::Packed { file, path } => {
                Stream::Packed(Box::new(ReadAhead::start(Unpacker::new(file, path))))
            }
        })
    }
}

/// The chunks of a build log, as text whatever the file is.
pub struct LogStream(Stream);

enum Stream {
    Plain(FileStream),
    Unpacked(Option<Bytes>),
    Packed(Box<ReadAhead<Unpacker>>),
}

impl Chunks for LogStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        match &mut self.0 {
            Stream::Plain(stream) => stream.poll_chunk(cx),
            Stream::Unpacked(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Stream::Packed(stream) => stream.poll_chunk(cx),
        }
    }
}

impl LocalStore {
    /// The log of a derivation's build, whether or not the derivation is still valid; where not everything is exposed, only
    /// that of a derivation that is. `None` when there is none.
    ///
    /// # Errors
    /// `Io` when it is there but cannot be read, or is no bzip2 file though it is called so; with an exposure policy those
    /// of [`Self::path_info`].
    pub async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, StoreError> {
        let shared = Arc::clone(self.shared());
        let mut derivations = Vec::new();
        for derivation in name.candidates() {
            if self.is_exposed(derivation).await? {
                derivations.push(derivation.clone());
            }
        }
        if derivations.is_empty() {
            return Ok(None);
        }
        let found = spawn_blocking(move || find(&shared.config.log_dir, &derivations));
        let Some(found) = found.await.map_err(|_| StoreError::Stopping)?? else { return Ok(None) };
        let Found { file, path, len, packed, etag } = found;
        let contents = match packed {
            false => Contents::Plain { file, path, len },
            // What is compressed is never much longer than the text.
            true if len > WHOLE + WHOLE / 16 => Contents::Packed { file, path },
            true => {
                let permit = UNPACKING.acquire().await.map_err(|_| StoreError::Stopping)?;
                let unpacked = spawn_blocking(move || {
                    let _permit = permit;
                    unpack(&file, &path).map(|bytes| match bytes {
                        Some(bytes) => Contents::Unpacked(bytes),
                        None => Contents::Packed { file, path },
                    })
                });
                unpacked.await.map_err(|_| StoreError::Stopping)??
            }
        };
        Ok(Some(BuildLog { contents, etag }))
    }
}

/// A log file that is there.
struct Found {
    file: Arc<OwnedFd>,
    path: Arc<Path>,
    len: u64,
    packed: bool,
    etag: String,
}

/// Looks where Nix keeps logs, below a directory of the first two characters, and where it once did.
fn find(log_dir: &Path, derivations: &[StorePath]) -> Result<Option<Found>, StoreError> {
    let directory = match fs::open(log_dir, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty()) {
        Ok(directory) => directory,
        Err(error) if is_absent(&error.into()) => return Ok(None),
        Err(error) => return Err(StoreError::io("open", log_dir)(error.into())),
    };
    for derivation in derivations {
        let base = derivation.as_str();
        let (first, rest) = base.split_at_checked(2).unwrap_or((base, ""));
        for place in [format!("{first}/{rest}"), base.to_owned()] {
            for (place, packed) in [(place.clone(), false), (place + ".bz2", true)] {
                let found = open(directory.as_fd(), log_dir, &place, packed);
                if let Some(found) = found.map_err(StoreError::io("open", log_dir.join(&place)))? {
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
) -> io::Result<Option<Found>> {
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
    Ok(Some(Found { file: Arc::new(file), path: log_dir.join(place).into(), len, packed, etag }))
}
