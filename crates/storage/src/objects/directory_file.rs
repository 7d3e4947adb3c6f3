//! Writing a file of a directory whole: under another name first, so that no reader finds a part of it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{ObjectError, ObjectKey};
use crate::blocking::blocking;

/// A file of a directory, as one object of a storage.
#[derive(Clone, Debug)]
pub(super) struct DirectoryFile {
    pub(super) path: PathBuf,
    /// Whether it survives a power loss as soon as it is written.
    pub(super) sync: bool,
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
        let Some((mut file, staged)) = self.stage()? else { return Ok(false) };
        let written = file.write_all(bytes).and_then(|()| self.publish(&file, &staged));
        if written.is_err() {
            _ = fs::remove_file(&staged);
        }
        written.map(|()| true)
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
    pub(super) sync: bool,
}

impl Directory {
    pub(super) fn file(&self, key: &ObjectKey) -> DirectoryFile {
        DirectoryFile { path: self.root.join(key.as_str()), sync: self.sync }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_file_takes_the_place_of_another_one_and_of_unfinished_ones_none() {
        let root = tempfile::tempdir().unwrap();
        let key = ObjectKey::listed("a.narinfo");
        for sync in [false, true] {
            let file = DirectoryFile { path: root.path().join(key.as_str()), sync };
            let text = format!("sync {sync}");
            assert!(file.write(&key, text.clone().into()).await.unwrap());
            assert_eq!(fs::read_to_string(&file.path).unwrap(), text);
            assert_eq!(names(root.path()), ["a.narinfo"]);
        }
        let unfinished = root.path().join("a.narinfo#1");
        fs::write(&unfinished, "of a writer that was killed").unwrap();
        let file = DirectoryFile { path: root.path().join(key.as_str()), sync: true };
        assert!(file.write(&key, "new".into()).await.unwrap());
        assert!(unfinished.exists());
        assert_eq!(names(root.path()).len(), 2);
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_file_that_cannot_be_written() {
        let root = tempfile::tempdir().unwrap();
        let key = ObjectKey::listed("a");
        let missing = DirectoryFile { path: root.path().join("missing/a"), sync: true };
        assert!(!missing.write(&key, "x".into()).await.unwrap());
        let taken = DirectoryFile { path: root.path().join("a"), sync: true };
        fs::create_dir_all(taken.path.join("b")).unwrap();
        assert!(taken.write(&key, "x".into()).await.is_err());
        assert_eq!(names(root.path()), ["a"]);
    }
}
