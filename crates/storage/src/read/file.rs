//! NARs of a directory: the server has the kernel send what is in memory.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use rns_cache::{CacheError, Piece, ReadyBody, ReadyNar};
use rns_file_io::{chunks::FileBlob, file_part::resident, nonblocking_io::NonblockingIo};
use rustix::fs::{self, CWD, FileType, Mode, OFlags, ResolveFlags};
use tokio::task::spawn_blocking;

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
