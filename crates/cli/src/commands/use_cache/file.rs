//! A file that is read, changed, and put in its place at once.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use super::block::OpenBlock;

/// The first line of a file that this command makes. A file that has only this line goes again.
const MADE: &str = "# made by rust-nix-serve use\n";

/// A file, and its new contents.
pub(super) struct FileChange {
    /// The file itself, behind all links.
    pub(super) file: PathBuf,
    pub(super) old: String,
    /// Empty without a file, and where it goes.
    pub(super) new: String,
    /// The permissions of a new file; one that is there keeps its own.
    mode: u32,
    /// True if nothing is left of a file that this command made.
    is_removal: bool,
}

impl FileChange {
    /// Reads a file, which need not be there.
    ///
    /// # Errors
    /// When it cannot be read, is generated and cannot be changed, or has a block without an end.
    pub(super) fn of(
        file: &Path,
        mode: u32,
        change: impl FnOnce(&str) -> Result<String, OpenBlock>,
    ) -> anyhow::Result<Self> {
        let file = match fs::canonicalize(file) {
            Ok(real) => real,
            // A file in its place would cut it off from the one that it names, which may be on a disk that is away.
            Err(error) if file.is_symlink() => {
                return Err(error)
                    .with_context(|| format!("{} is a link that leads nowhere", file.display()));
            }
            Err(_) => file.to_owned(),
        };
        if file.starts_with("/nix/store") {
            bail!(
                "{} is generated: `use --print nixos` prints the lines for its source",
                file.display()
            );
        }
        let old = match fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let new = change(old.as_deref().unwrap_or(MADE));
        let mut new = new.with_context(|| file.display().to_string())?;
        let is_removal = new == MADE;
        if is_removal {
            new.clear();
        }
        Ok(Self { file, old: old.unwrap_or_default(), new, mode, is_removal })
    }

    /// Returns true if every user of the machine can read or change the file.
    pub(super) fn is_open_to_all(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|found| found.mode() & 0o007 != 0)
    }

    /// Refuses a file that another program has changed since it was read: its change would be lost.
    ///
    /// # Errors
    /// When it is not as it was, or cannot be read.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let file = self.file.display();
        let now = match fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("cannot read {file}"))?,
        };
        if now != self.old {
            bail!("{file} was changed meanwhile: nothing was written, run this again");
        }
        Ok(())
    }

    /// Writes the new text beside the file, and exchanges the two. One that this command made and that would have
    /// no other lines is removed.
    ///
    /// # Errors
    /// As the file system says; the old file is whole then.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        let doing = || format!("cannot write {}", self.file.display());
        if self.is_removal {
            return fs::remove_file(&self.file).with_context(doing);
        }
        let directory = self.file.parent().context("the file has no directory")?;
        fs::create_dir_all(directory).with_context(doing)?;
        let before = fs::metadata(&self.file).ok();
        let mode = before.as_ref().map_or(self.mode, |before| before.mode() & 0o7777);
        let mut name = self.file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = directory.join(name);
        // One that was killed leaves it, and numbers of processes come again soon in containers.
        _ = fs::remove_file(&beside);
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

/// The turn of this program among those that change files of a directory: others wait as long as it is held. `None` where there
/// are no locks, or no such directory.
pub(super) fn turn(directory: &Path) -> Option<File> {
    let turn = File::open(directory).ok()?;
    turn.lock().ok()?;
    Some(turn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::use_cache::block::{Block, BlockPlace};

    #[test]
    fn only_a_file_that_was_made_is_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("nix.conf");
        let (one, other) = (Block::of("https://a"), Block::of("https://b"));
        let put = |block: &Block, lines: &[String]| {
            let put = |text: &str| block.put(text, lines, BlockPlace::End);
            FileChange::of(&file, 0o644, put).unwrap()
        };
        let line = ["x = 1".to_owned()];
        let left = format!("nix.conf.{}.new", std::process::id());
        fs::write(scratch.path().join(left), "killed").unwrap();
        // Nothing is there, and nothing has to be done.
        let nothing = put(&one, &[]);
        assert_eq!((nothing.old, nothing.new), (String::new(), String::new()));
        put(&one, &line).make().unwrap();
        put(&other, &line).make().unwrap();
        put(&one, &[]).make().unwrap();
        put(&other, &[]).make().unwrap();
        assert!(!file.exists());
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        put(&one, &line).make().unwrap();
        put(&one, &[]).make().unwrap();
        let found = fs::metadata(&file).unwrap();
        assert_eq!((found.len(), found.mode() & 0o7777), (0, 0o640));
    }

    #[test]
    fn a_link_that_leads_nowhere_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("nix.conf");
        std::os::unix::fs::symlink("away/nix.conf", &file).unwrap();
        let put = |text: &str| Block::of("https://a").put(text, &[], BlockPlace::End);
        let refused = format!("{:#}", FileChange::of(&file, 0o644, put).err().unwrap());
        assert!(refused.contains("nix.conf is a link that leads nowhere"), "{refused}");
    }

    #[test]
    fn a_block_without_an_end_is_refused_with_its_place() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("nix.conf");
        fs::write(&file, "x = 1\n# begin: rust-nix-serve use https://a\ny = 2\n").unwrap();
        let put = |text: &str| Block::of("https://a").put(text, &[], BlockPlace::End);
        let refused = format!("{:#}", FileChange::of(&file, 0o644, put).err().unwrap());
        assert!(refused.contains("nix.conf: line 2: "), "{refused}");
    }
}
