//! Writing a file of a directory whole: under another name first, so that no reader finds a part of it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, linkat},
    io::Errno,
};

use super::{ObjectError, ObjectKey};
use crate::blocking::blocking;

/// A file of a directory, as one object of a storage.
#[derive(Clone, Debug)]
pub(super) struct DirectoryFile {
    pub(super) path: PathBuf,
    /// Whether it survives a power loss as soon as it is written.
    pub(super) sync: bool,
    unnamed: UnnamedFiles,
}

/// Whether a file system can have files without a name (`O_TMPFILE`), and give them one. Clones share it.
#[derive(Clone, Debug, Default)]
struct UnnamedFiles(Arc<UnnamedSupport>);

/// The support of file system and kernel for such files.
#[derive(Debug, Default)]
struct UnnamedSupport {
    /// Whether the file system has no such files.
    is_missing: AtomicBool,
    /// Whether such a file is named by its path below `/proc`. Kernels before 6.10 demand a capability (`CAP_DAC_READ_SEARCH`) for
    /// naming it by its descriptor.
    needs_proc: AtomicBool,
}

impl UnnamedFiles {
    fn may_work(&self) -> bool {
        !self.0.is_missing.load(Relaxed)
    }

    /// Gives a file its name, which must be free.
    fn name(&self, file: &File, path: &Path) -> Result<(), Errno> {
        if !self.0.needs_proc.load(Relaxed) {
            match linkat(file, "", CWD, path, AtFlags::EMPTY_PATH) {
                Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
                    self.0.needs_proc.store(true, Relaxed);
                }
                named => return named,
            }
        }
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)
    }

    /// NFS and some overlays cannot, and say so. Other failures pass, or are told when the file is written in another way.
    fn learn(&self, error: Errno) {
        let is_refused = matches!(
            error,
            Errno::OPNOTSUPP
                | Errno::ISDIR
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::PERM
                | Errno::XDEV
        );
        if is_refused {
            self.0.is_missing.store(true, Relaxed);
        }
    }
}

/// The library's name in its errors, which those of this file share.
const STORE: &str = "LocalFileSystem";

impl DirectoryFile {
    /// Writes the file; replaces one that is there. `false`: its directory is missing, and nothing was written.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn write(&self, key: &ObjectKey, bytes: Bytes) -> Result<bool, ObjectError> {
        let file = self.clone();
        let written = blocking(move || file.write_now(&bytes)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|error| {
            ObjectError::of("write", key)(object_store::Error::Generic {
                store: STORE,
                source: Box::new(error),
            })
        })
    }

    fn write_now(&self, bytes: &[u8]) -> io::Result<bool> {
        if self.unnamed.may_work() && self.write_unnamed(bytes)? {
            return Ok(true);
        }
        let Some((mut file, staged)) = self.stage()? else { return Ok(false) };
        let written = file.write_all(bytes).and_then(|()| self.publish(&file, &staged));
        if written.is_err() {
            _ = fs::remove_file(&staged);
        }
        written.map(|()| true)
    }

    /// Writes a file without a name, and gives it its name: the directory is changed once. `false`: there is a file of that name, or
    /// no directory, or the file system has no such files, and nothing was written.
    fn write_unnamed(&self, bytes: &[u8]) -> io::Result<bool> {
        let Some(directory) = self.path.parent() else { return Ok(false) };
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let mut file = match rustix::fs::open(directory, flags, mode) {
            Ok(file) => File::from(file),
            Err(error) => {
                self.unnamed.learn(error);
                return Ok(false);
            }
        };
        file.write_all(bytes)?;
        if self.sync {
            file.sync_data()?;
        }
        match self.unnamed.name(&file, &self.path) {
            Ok(()) => self.sync_directory().map(|()| true),
            Err(error) => {
                self.unnamed.learn(error);
                Ok(false)
            }
        }
    }

    /// Opens a file beside its place, by a name that the sweep of unfinished files knows. `None`: there is no such directory.
    fn stage(&self) -> io::Result<Option<(File, PathBuf)>> {
        let mut number = 1_u64;
        loop {
            let mut staged = self.path.clone().into_os_string();
            staged.push(format!("#{number}"));
            let staged = PathBuf::from(staged);
            match File::options().write(true).create_new(true).open(&staged) {
                Ok(file) => return Ok(Some((file, staged))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the file its name. A name that survives a power loss leads to all of its bytes.
    fn publish(&self, file: &File, staged: &Path) -> io::Result<()> {
        if self.sync {
            file.sync_data()?;
        }
        fs::rename(staged, &self.path)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(directory) if self.sync => File::open(directory)?.sync_all(),
            _ => Ok(()),
        }
    }
}

/// A directory that holds a storage.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) root: Arc<Path>,
    /// Whether files survive a power loss as soon as they are written.
    sync: bool,
    unnamed: UnnamedFiles,
}

impl Directory {
    pub(super) fn new(root: Arc<Path>, sync: bool) -> Self {
        Self { root, sync, unnamed: UnnamedFiles::default() }
    }

    pub(super) fn file(&self, key: &ObjectKey) -> DirectoryFile {
        let path = self.root.join(key.as_str());
        DirectoryFile { path, sync: self.sync, unnamed: self.unnamed.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The directory on a file system with unnamed files, the same with an older kernel, and on a file system without them.
    fn directories(root: &Path, sync: bool) -> [Directory; 3] {
        let [newest, older, refusing] = std::array::from_fn(|_| Directory::new(root.into(), sync));
        older.unnamed.0.needs_proc.store(true, Relaxed);
        refusing.unnamed.learn(Errno::OPNOTSUPP);
        [newest, older, refusing]
    }

    #[tokio::test]
    async fn a_file_takes_the_place_of_another_one_and_of_unfinished_ones_none() {
        let root = tempfile::tempdir().unwrap();
        let key = ObjectKey::listed("a.narinfo");
        for sync in [false, true] {
            for (number, directory) in directories(root.path(), sync).iter().enumerate() {
                let file = directory.file(&key);
                for times in ["once", "twice"] {
                    let text = format!("{number} {times}, sync {sync}");
                    assert!(file.write(&key, text.clone().into()).await.unwrap());
                    assert_eq!(fs::read_to_string(&file.path).unwrap(), text);
                    assert_eq!(names(root.path()), ["a.narinfo"]);
                }
                fs::remove_file(&file.path).unwrap();
            }
        }
        let unfinished = root.path().join("a.narinfo#1");
        fs::write(&unfinished, "of a writer that was killed").unwrap();
        for directory in directories(root.path(), true) {
            assert!(directory.file(&key).write(&key, "new".into()).await.unwrap());
            assert!(unfinished.exists());
            assert_eq!(names(root.path()).len(), 2);
        }
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_file_that_cannot_be_written() {
        let root = tempfile::tempdir().unwrap();
        let (key, missing) = (ObjectKey::listed("a"), ObjectKey::listed("missing/a"));
        for directory in directories(root.path(), true) {
            assert!(!directory.file(&missing).write(&missing, "x".into()).await.unwrap());
            let taken = directory.file(&key);
            fs::create_dir_all(taken.path.join("b")).unwrap();
            assert!(taken.write(&key, "x".into()).await.is_err());
            assert_eq!(names(root.path()), ["a"]);
        }
    }
}
