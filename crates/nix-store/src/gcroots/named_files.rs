//! The files and links of named roots.
//!
//! `NAME.json` says which revisions there are; `NAME~NUMBER/` has the links of one. Neither a tilde nor that ending can be in
//! the name of a root, so no root is in the way of another. The document is the truth: links that it does not name are those
//! of an order that was cut off.

use std::{
    fs::{self, DirEntry, File},
    io::{self, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rns_cache::{RootRevision, parse_revisions, write_revisions};
use rns_formats::{RootName, StoreDir};

/// The ending of documents.
const SUFFIX: &str = ".json";

/// The separator of the name of a root and the number of a revision.
const MARK: char = '~';

/// The begin of the name of a document that is being written: no name of a root has a dot there.
const UNFINISHED_FIRST_CHAR: char = '.';

/// The files of the roots below one folder. All methods block.
#[derive(Debug)]
pub(super) struct RootFiles {
    folder: PathBuf,
    store_dir: StoreDir,
}

impl RootFiles {
    pub(super) const fn new(folder: PathBuf, store_dir: StoreDir) -> Self {
        Self { folder, store_dir }
    }

    /// The revisions of a root, the newest first, expired ones included. None: there is no such root.
    ///
    /// # Errors
    /// `InvalidData` when nothing can be made of its document.
    pub(super) fn read(&self, name: &RootName) -> io::Result<Vec<RootRevision>> {
        match fs::read(self.document(name)) {
            Ok(bytes) => parse_revisions(&bytes)
                .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why)),
            Err(error) if is_absence(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes the revisions of a root, at least one: links first, so that nothing is said to be kept that is not.
    pub(super) fn write(&self, name: &RootName, revisions: &[RootRevision]) -> io::Result<()> {
        let document = self.document(name);
        for revision in revisions {
            self.link(name, revision)?;
        }
        let unfinished =
            document.with_file_name(format!("{UNFINISHED_FIRST_CHAR}{}", last_segment(name)));
        let mut file = File::create(&unfinished)?;
        file.write_all(&write_revisions(revisions))?;
        file.sync_all()?;
        fs::rename(&unfinished, &document)?;
        if let Some(folder) = document.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.unlink_others(name, revisions)
    }

    /// Removes a root.
    pub(super) fn remove(&self, name: &RootName) -> io::Result<()> {
        match fs::remove_file(self.document(name)) {
            Err(error) if !is_absence(&error) => return Err(error),
            _ => self.unlink_others(name, &[])?,
        }
        // A folder ends with its last root.
        let mut folder = self.document(name);
        while folder.pop() && folder != self.folder && fs::remove_dir(&folder).is_ok() {}
        Ok(())
    }

    /// The names of all roots, in their order.
    pub(super) fn names(&self) -> io::Result<Vec<RootName>> {
        let mut names = Vec::new();
        self.each(&mut |path, _| {
            let name = path.strip_suffix(SUFFIX).and_then(|name| RootName::parse(name).ok());
            names.extend(name);
            Ok(())
        })?;
        names.sort_unstable();
        Ok(names)
    }

    /// Removes links that were made before this time and that no document names. The links of a document that cannot be read stay.
    pub(super) fn sweep(&self, before: SystemTime) -> io::Result<()> {
        self.each(&mut |path, entry| {
            if entry.metadata()?.modified()? >= before {
                return Ok(());
            }
            let file_name = path.rsplit('/').next().unwrap_or_default();
            if let Some((name, number)) = path.rsplit_once(MARK)
                && let Ok(name) = RootName::parse(name)
            {
                let named = match self.read(&name) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(()),
                    revisions => revisions?,
                };
                if named.iter().all(|revision| revision.revision.to_string() != number) {
                    fs::remove_dir_all(entry.path())?;
                }
            } else if file_name.starts_with(UNFINISHED_FIRST_CHAR) {
                fs::remove_file(entry.path())?;
            }
            Ok(())
        })
    }

    /// Every document and every folder of links, by its path below the folder of all.
    fn each(&self, found: &mut dyn FnMut(&str, &DirEntry) -> io::Result<()>) -> io::Result<()> {
        let mut folders = vec![String::new()];
        while let Some(prefix) = folders.pop() {
            let entries = match fs::read_dir(self.folder.join(&prefix)) {
                Err(error) if is_absence(&error) => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let Ok(segment) = entry.file_name().into_string() else { continue };
                let path = format!("{prefix}{segment}");
                if entry.file_type()?.is_dir() && RootName::parse(&path).is_ok() {
                    folders.push(format!("{path}/"));
                } else {
                    found(&path, &entry)?;
                }
            }
        }
        Ok(())
    }

    fn document(&self, name: &RootName) -> PathBuf {
        self.folder.join(format!("{name}{SUFFIX}"))
    }

    /// Makes the links of a revision, as far as they are not there.
    pub(super) fn link(&self, name: &RootName, revision: &RootRevision) -> io::Result<()> {
        let folder = self.folder.join(format!("{name}{MARK}{}", revision.revision));
        fs::create_dir_all(&folder)?;
        for path in &revision.paths {
            let target = self.store_dir.print(path);
            let link = folder.join(path.as_str());
            match symlink(&target, &link) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if fs::read_link(&link)? != Path::new(&target) {
                        return Err(error);
                    }
                }
                linked => linked?,
            }
        }
        Ok(())
    }

    /// Removes the links of all revisions of a root but these.
    fn unlink_others(&self, name: &RootName, kept: &[RootRevision]) -> io::Result<()> {
        let document = self.document(name);
        let Some(folder) = document.parent() else { return Ok(()) };
        let entries = match fs::read_dir(folder) {
            Err(error) if is_absence(&error) => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name();
            let number = file_name
                .to_str()
                .and_then(|text| text.split_once(MARK))
                .filter(|(segment, _)| *segment == last_segment(name));
            let is_other = number.is_some_and(|(_, number)| {
                kept.iter().all(|revision| revision.revision.to_string() != number)
            });
            if is_other {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

fn last_segment(name: &RootName) -> &str {
    name.as_str().rsplit('/').next().unwrap_or_default()
}

/// Whether nothing is there, as a root `a` is no folder of a root `a/b`.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
