//! Files beside the index.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::Path,
};

/// Opens a file beside the index, or makes one for the owner of the index: a command of root may come before the server.
pub(super) fn create_for_owner(path: &Path, index: &Path) -> io::Result<File> {
    let new = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
    let file = match new {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return File::options().read(true).write(true).open(path);
        }
        created => created?,
    };
    give_to_owner(&file, index).inspect_err(|_| _ = fs::remove_file(path))?;
    Ok(file)
}

/// Whether the open file has this name. One that was removed or moved has not: other processes do not find it.
pub(super) fn has_name(file: &File, path: &Path) -> bool {
    let stamp = |found: Metadata| (found.dev(), found.ino());
    let (open, named) = (file.metadata().map(stamp), fs::metadata(path).map(stamp));
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

fn give_to_owner(file: &File, index: &Path) -> io::Result<()> {
    let (owner, created) = (fs::metadata(index)?, file.metadata()?);
    if owner.uid() != created.uid() {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}
