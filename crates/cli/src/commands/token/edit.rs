//! Changing a file of tokens under the eyes of a running server.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rns_server::auth::tokens::{TokenFileProblem, read_tokens};

/// The permissions of a new file, and its group that of its directory.
const NEW_FILE_MODE: u32 = 0o640;

/// Replaces the text of a file of tokens, which may not exist yet.
///
/// A reader sees the old or the new text, and of two writers one waits for the other. Owner, group and permissions stay.
pub(super) fn edit(
    path: &Path,
    change: impl FnOnce(Option<String>) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    // The target of a link is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let opened = File::open(&directory)
        .with_context(|| format!("cannot open the directory {}", directory.display()))?;
    opened.lock().with_context(|| format!("cannot lock the directory {}", directory.display()))?;
    let old = match read_tokens(&path) {
        Ok(text) => Some(text),
        Err(error) if matches!(error.problem, TokenFileProblem::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let new = change(old)?;
    replace(&path, &opened, &new).with_context(|| format!("cannot write {}", path.display()))
}

fn replace(path: &Path, directory: &File, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // An interrupted command may have left this file. No other command uses it: the directory is locked.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write(&new, path, directory, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        _ = fs::remove_file(&new);
    }
    written?;
    directory.sync_all()
}

fn write(new: &Path, old: &Path, directory: &File, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    let mine = file.metadata()?;
    let mode = match fs::metadata(old) {
        Ok(old) => {
            if (old.uid(), old.gid()) != (mine.uid(), mine.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            old.mode() & 0o7777
        }
        Err(_) => {
            let group = directory.metadata()?.gid();
            if group != mine.gid() {
                // The file is as good in another group.
                _ = fchown(&file, None, Some(group));
            }
            NEW_FILE_MODE
        }
    };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
