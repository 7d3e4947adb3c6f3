//! Single files and directories inside a store path.

mod directory;

use std::{
    io::ErrorKind,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use rns_cache::{Served, ServedDirectory, ServedFile};
use rns_formats::{PathInfo, ServePath, StoreDir};
use rustix::fs::{self, FileType};
use tokio::task::spawn_blocking;

use crate::{
    CacheError,
    file_io::{
        chunks::FileBlob,
        resolve_beneath::{is_absent, open_inside},
    },
    nar::{PathRoot, Tree, is_executable, of_path, size},
    store::StoreParts,
};

/// The file that a directory is shown as, where it is there.
const INDEX: &str = "index.html";

/// The files inside store paths.
pub(crate) struct StoreFiles(Arc<StoreParts>);

impl StoreFiles {
    pub(crate) const fn new(parts: Arc<StoreParts>) -> Self {
        Self(parts)
    }

    /// The file or directory at `path` inside a store path. Symbolic links are followed as long as they stay inside
    /// that store path; absolute ones have to begin with its full name. `None` when there is nothing, nothing that may
    /// be read, or neither a regular file nor a directory.
    ///
    /// # Errors
    /// `Io` when the system cannot say, as when too many files are open.
    pub(crate) async fn find(
        &self,
        info: Arc<PathInfo>,
        path: &ServePath,
    ) -> Result<Option<Served>, CacheError> {
        let parts = Arc::clone(&self.0);
        let path = path.clone();
        let found = spawn_blocking(move || {
            let config = &parts.config;
            find(&config.real_dir, &config.store_dir, &info, &path).or_else(|error| {
                match of_path(&info.path, error) {
                    CacheError::Damaged { .. } => Ok(None),
                    error => Err(error),
                }
            })
        });
        found.await.map_err(|_| CacheError::ShuttingDown)?
    }
}

fn find(
    real_dir: &Path,
    store_dir: &StoreDir,
    info: &Arc<PathInfo>,
    path: &ServePath,
) -> Result<Option<Served>, CacheError> {
    let tree = Tree::open(real_dir, &info.path)?;
    let place = ServedPlace {
        info,
        root_name: store_dir.print(&info.path),
        shown: tree.path().join(String::from_utf8_lossy(path.as_bytes()).as_ref()).into(),
    };
    let opened = match &tree.root {
        PathRoot::Directory(root) => {
            let mut name = path.as_bytes().to_vec();
            // The system refuses the name of a file with a slash behind it.
            name.extend(path.trailing_slash().then_some(b'/').filter(|_| !path.is_empty()));
            place.open(root.as_fd(), &name)?
        }
        PathRoot::Regular { .. } if path.is_empty() => {
            Some(tree.open_file(b"").map_err(CacheError::io("open", &*place.shown))?)
        }
        PathRoot::Regular { .. } | PathRoot::Symlink(_) => None,
    };
    let Some(file) = opened else { return Ok(None) };
    let stat = place.stat(&file)?;
    match (FileType::from_raw_mode(stat.st_mode), &tree.root) {
        (FileType::RegularFile, _) => {
            let last = path
                .components()
                .next_back()
                .map(|name| String::from_utf8_lossy(name).into_owned());
            let name = last.unwrap_or_else(|| info.path.name().to_owned());
            Ok(Some(Served::File(place.file(file, &stat, name))))
        }
        (FileType::Directory, PathRoot::Directory(root)) => place
            .directory(root.as_fd(), path, file.as_fd())
            .map(|directory| Some(Served::Directory(directory))),
        _ => Ok(None),
    }
}

/// Where something is that is asked for.
struct ServedPlace<'a> {
    info: &'a Arc<PathInfo>,
    /// How absolute links name the store path.
    root_name: String,
    /// For messages only.
    shown: Arc<Path>,
}

impl ServedPlace<'_> {
    /// Opens a file or directory; `None` when there is none that this process may read.
    fn open(&self, root: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>, CacheError> {
        match open_inside(root, self.root_name.as_bytes(), name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_absent(&error) || error.kind() == ErrorKind::PermissionDenied => {
                Ok(None)
            }
            Err(error) => Err(CacheError::io("open", &*self.shown)(error)),
        }
    }

    fn stat(&self, file: &OwnedFd) -> Result<fs::Stat, CacheError> {
        fs::fstat(file).map_err(|error| CacheError::io("stat", &*self.shown)(error.into()))
    }

    fn file(&self, file: OwnedFd, stat: &fs::Stat, name: String) -> ServedFile {
        ServedFile {
            name,
            executable: is_executable(stat.st_mode),
            contents: Arc::new(FileBlob {
                file: Arc::new(file),
                path: Arc::clone(&self.shown),
                len: size(stat),
                etag: self.info.nar_hash.to_nix32(),
            }),
        }
    }

    fn directory(
        &self,
        root: BorrowedFd<'_>,
        path: &ServePath,
        directory: BorrowedFd<'_>,
    ) -> Result<ServedDirectory, CacheError> {
        let separator = if path.is_empty() { "" } else { "/" };
        let name = [path.as_bytes(), separator.as_bytes(), INDEX.as_bytes()].concat();
        let mut served = ServedDirectory {
            path: self.info.path.clone(),
            etag: self.info.nar_hash.to_nix32(),
            index: None,
            entries: Vec::new(),
            truncated: false,
        };
        if let Some(file) = self.open(root, &name)? {
            let stat = self.stat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                served.index = Some(self.file(file, &stat, INDEX.to_owned()));
                return Ok(served);
            }
        }
        (served.entries, served.truncated) =
            directory::read(directory).map_err(CacheError::io("read", &*self.shown))?;
        Ok(served)
    }
}
