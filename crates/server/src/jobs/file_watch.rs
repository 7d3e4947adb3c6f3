//! Whether files have changed since they were last looked at.
//!
//! Looking now and then is enough for keys and certificates, works on every file system, and does not
//! mind whether a file is rewritten, replaced, or a link to it turned.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Attributes that change when a file is written, replaced, or gets other permissions.
type Stamp = Result<(u64, u64, u64, i64, i64), io::ErrorKind>;

/// Files and how they looked.
#[derive(Debug, Default)]
pub(crate) struct FileWatch(Vec<(PathBuf, Stamp)>);

impl FileWatch {
    /// Looks at the files for the first time.
    pub(crate) fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(paths.into_iter().map(|path| (path.to_owned(), stamp(path))).collect())
    }

    /// Whether any of them looks different than last time.
    pub(crate) fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, last) in &mut self.0 {
            let now = stamp(path);
            changed |= now != *last;
            *last = now;
        }
        changed
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).map_err(|err| err.kind())?;
    // The change time has the nanoseconds of the modification time and moves with it.
    Ok((metadata.dev(), metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn sees_files_come_change_turn_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let mut watch = FileWatch::new([path.as_path()]);
        assert!(!watch.changed());

        fs::write(&path, "a").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(watch.changed(), "other permissions");

        let other = dir.path().join("other");
        fs::write(&other, "b").unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&other, &path).unwrap();
        assert!(watch.changed(), "replaced by a link");

        fs::remove_file(&other).unwrap();
        assert!(watch.changed(), "gone");
        assert!(!watch.changed());
    }
}
