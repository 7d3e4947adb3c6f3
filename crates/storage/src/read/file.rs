//! NARs of a directory: the server has the kernel send the parts that are in memory.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rns_cache::{CacheError, Piece, ReadyBody, ReadyNar};
use rns_file_io::{chunks::FileBlob, file_part::resident, nonblocking_io::NonblockingIo};
use rustix::fs::{self, CWD, FileType, Mode, OFlags, ResolveFlags};
use tokio::task::spawn_blocking;

/// Which file lies behind a name: it is another one as soon as its contents are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    device: u64,
    inode: u64,
    size: i64,
    changed: (i64, i64),
}

/// A file that was changed so shortly before it was read may change again without looking changed.
const MIN_AGE: Duration = Duration::from_secs(1);

impl FileStamp {
    /// Of the file behind a name, if the kernel has that in memory. Never waits.
    pub(super) fn now(io: &NonblockingIo, path: &Path) -> Option<Self> {
        Self::of(&io.open(CWD, path, FLAGS, ResolveFlags::empty())?).ok()
    }

    fn of(file: &OwnedFd) -> io::Result<Self> {
        let stat = fs::fstat(file)?;
        #[allow(clippy::useless_conversion, reason = "the types differ between architectures")]
        Ok(Self {
            device: u64::from(stat.st_dev),
            inode: u64::from(stat.st_ino),
            size: i64::from(stat.st_size),
            changed: (i64::from(stat.st_ctime), stat.st_ctime_nsec as i64),
        })
    }

    fn is_settled(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(self.changed.0.unsigned_abs());
        now.checked_sub(changed).is_some_and(|age| age > MIN_AGE + MIN_AGE)
    }
}

/// A small file, and how it is recognised as the same one later, if that can be told.
pub(super) struct SmallFile {
    pub(super) bytes: Bytes,
    pub(super) stamp: Option<FileStamp>,
}

/// Reads a small file whole. `None` when it is not there, or larger than `limit` bytes: the caller learns why elsewhere.
pub(super) async fn read_small(path: PathBuf, limit: u64) -> Result<Option<SmallFile>, CacheError> {
    let name: Arc<Path> = path.into();
    let reading = Arc::clone(&name);
    let read = spawn_blocking(move || {
        let (file, len) = length(fs::open(&*reading, FLAGS, Mode::empty())?)?;
        if len > limit {
            return Ok(None);
        }
        let stamp = FileStamp::of(&file)?;
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        File::from(file).take(limit).read_to_end(&mut bytes)?;
        let stamp = Some(stamp).filter(|stamp| stamp.is_settled());
        Ok(Some(SmallFile { bytes: bytes.into(), stamp }))
    });
    match read.await.map_err(|_| CacheError::ShuttingDown)? {
        Ok(read) => Ok(read),
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CacheError::io("read", &*name)(error)),
    }
}

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Opens a NAR. `None` when it is not there.
pub(super) async fn open(path: PathBuf, etag: String) -> Result<Option<FileBlob>, CacheError> {
    let name: Arc<Path> = path.into();
    let opening = Arc::clone(&name);
    let opened = spawn_blocking(move || match fs::open(&*opening, FLAGS, Mode::empty()) {
        Ok(file) => length(file),
        Err(error) => Err(error.into()),
    });
    match opened.await.map_err(|_| CacheError::ShuttingDown)? {
        Ok((file, len)) => Ok(Some(FileBlob { file: Arc::new(file), path: name, len, etag })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CacheError::io("open", &*name)(error)),
    }
}

/// The file with its length.
fn length(file: OwnedFd) -> io::Result<(OwnedFd, u64)> {
    let stat = fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, u64::try_from(stat.st_size).unwrap_or(0))),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "it is no regular file")),
    }
}

/// A small NAR that the kernel has in memory, whole. Never waits.
pub(super) fn open_now(io: &NonblockingIo, path: &Path, etag: String) -> Option<ReadyNar> {
    let file = io.open(CWD, path, FLAGS, ResolveFlags::empty())?;
    let (file, len) = length(file).ok()?;
    let part = resident(&Arc::new(file), &(0..len)).filter(|part| part.is_last)?;
    Some(ReadyNar { etag, len, body: ReadyBody::Piece(Piece::File(part)) })
}
