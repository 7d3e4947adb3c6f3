//! A file that is read, changed, and put in its place at once.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// A file, and its new contents.
pub(super) struct Change {
    /// The file itself, behind all links.
    pub(super) file: PathBuf,
    pub(super) old: String,
    pub(super) new: String,
    /// The permissions of a new file; one that is there keeps its own.
    mode: u32,
}

impl Change {
    /// Reads a file, which need not be there.
    ///
    /// # Errors
    /// When it cannot be read, or is generated and cannot be changed.
    pub(super) fn of(
        file: &Path,
        mode: u32,
        change: impl FnOnce(&str) -> String,
    ) -> anyhow::Result<Self> {
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        if file.starts_with("/nix/store") {
            bail!(
                "{} is generated: `use --print nixos` prints the lines for its source",
                file.display()
            );
        }
        let old = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let new = change(&old);
        Ok(Self { file, old, new, mode })
    }

    /// Returns true if every user of the machine can read or change the file.
    pub(super) fn is_open_to_all(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|found| found.mode() & 0o007 != 0)
    }

    /// Writes the new text beside the file, and exchanges the two. One that would be empty is removed.
    ///
    /// # Errors
    /// As the file system says; the old file is whole then.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        let doing = || format!("cannot write {}", self.file.display());
        if self.new.is_empty() {
            return fs::remove_file(&self.file).with_context(doing);
        }
        let directory = self.file.parent().context("the file has no directory")?;
        fs::create_dir_all(directory).with_context(doing)?;
        let before = fs::metadata(&self.file).ok();
        let mode = before.as_ref().map_or(self.mode, |before| before.mode() & 0o7777);
        let mut name = self.file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = directory.join(name);
        let written = (|| {
            let mut new =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            let mine = new.metadata()?;
            if let Some(before) = before
                && (before.uid(), before.gid()) != (mine.uid(), mine.gid())
            {
                fchown(&new, Some(before.uid()), Some(before.gid()))?;
            }
            new.write_all(self.new.as_bytes())?;
            new.set_permissions(Permissions::from_mode(mode))?;
            new.sync_all()?;
            fs::rename(&beside, &self.file)
        })();
        if written.is_err() {
            _ = fs::remove_file(&beside);
        }
        written.with_context(doing)
    }
}
