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
use rns_file_io::{chunks::FileBlob, file_part::resident};
use rustix::{
    fs::{self, FileType, Mode, OFlags},
    io::Errno,
};

use crate::{
    blocking::blocking,
    objects::{ObjectKey, Objects},
};

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
    pub(super) fn of(file: &OwnedFd) -> io::Result<Self> {
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

/// The object under a name of a storage.
pub(super) enum Looked<T> {
    /// A file.
    Found(T),
    /// Nothing, and there is a binary cache around it.
    Absent,
    /// The caller learns the fault elsewhere.
    Unclear,
}

/// Where a file is, and the one that every binary cache has: without it, nothing is known to be absent.
pub(super) struct FileLocation {
    pub(super) path: PathBuf,
    pub(super) cache_info: Arc<Path>,
}

impl FileLocation {
    /// The file of an object, where the storage is a directory.
    pub(super) fn of(objects: &Objects, key: &ObjectKey) -> Option<Self> {
        let path = objects.file(key)?;
        Some(Self { path, cache_info: Arc::clone(objects.cache_info_file()?) })
    }

    /// Opens the file. Blocks.
    fn open(&self) -> io::Result<Looked<OwnedFd>> {
        match fs::open(&self.path, STORED_FILE_FLAGS, Mode::empty()) {
            Ok(file) => Ok(Looked::Found(file)),
            Err(Errno::NOENT) if self.cache_info.exists() => Ok(Looked::Absent),
            Err(Errno::NOENT) => Ok(Looked::Unclear),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads a small file whole; one that is larger than `limit` bytes, or no regular file, is unclear.
pub(super) async fn read_small(
    place: FileLocation,
    limit: u64,
) -> Result<Looked<SmallFile>, CacheError> {
    let name = place.path.clone();
    let read = blocking(move || {
        let file = match place.open()? {
            Looked::Found(file) => file,
            Looked::Absent => return Ok(Looked::Absent),
            Looked::Unclear => return Ok(Looked::Unclear),
        };
        let Some((file, len)) = length(file)?.filter(|(_, len)| *len <= limit) else {
            return Ok(Looked::Unclear);
        };
        let stamp = FileStamp::of(&file)?;
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        File::from(file).take(limit).read_to_end(&mut bytes)?;
        let stamp = Some(stamp).filter(|stamp| stamp.is_settled());
        Ok(Looked::Found(SmallFile { bytes: bytes.into(), stamp }))
    });
    read.await.map_err(|_| CacheError::ShuttingDown)?.map_err(CacheError::io("read", &*name))
}

pub(super) const STORED_FILE_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Opens a NAR.
pub(super) async fn open(
    place: FileLocation,
    etag: String,
) -> Result<Looked<FileBlob>, CacheError> {
    let name: Arc<Path> = place.path.clone().into();
    let opened = blocking(move || match place.open()? {
        Looked::Found(file) => Ok(length(file)?.map_or(Looked::Unclear, Looked::Found)),
        Looked::Absent => Ok(Looked::Absent),
        Looked::Unclear => Ok(Looked::Unclear),
    });
    let opened = opened.await.map_err(|_| CacheError::ShuttingDown)?;
    Ok(match opened.map_err(CacheError::io("open", &*name))? {
        Looked::Found((file, len)) => {
            Looked::Found(FileBlob { file: Arc::new(file), path: name, len, etag })
        }
        Looked::Absent => Looked::Absent,
        Looked::Unclear => Looked::Unclear,
    })
}

/// The file with its length, if it is a regular one.
fn length(file: OwnedFd) -> io::Result<Option<(OwnedFd, u64)>> {
    let stat = fs::fstat(&file)?;
    let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    Ok(is_regular.then(|| (file, u64::try_from(stat.st_size).unwrap_or(0))))
}

/// A small NAR that the kernel has in memory, whole. Never waits.
pub(super) fn ready_nar(file: OwnedFd, etag: String) -> Option<ReadyNar> {
    let (file, len) = length(file).ok()??;
    let part = resident(&Arc::new(file), &(0..len)).filter(|part| part.is_last)?;
    Some(ReadyNar { etag, len, body: ReadyBody::Piece(Piece::File(part)) })
}
