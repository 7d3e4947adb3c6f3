//! The user that a command over a directory should run as.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::bail;
use rns_storage::objects::StorageUrl;
use rustix::process::geteuid;

/// Refuses to work as root on a directory of another user: its server could not write files that root makes there, such as
/// those of locks.
///
/// # Errors
/// The command that runs as the right user.
pub(in crate::commands) fn check(url: &StorageUrl) -> anyhow::Result<()> {
    let Some((directory, user)) = other_owner(url) else { return Ok(()) };
    bail!(
        "{} belongs to the user {user}, and its server could not write files that root makes there: \
         run this as that user, sudo -u {user} rust-nix-serve …",
        directory.display()
    )
}

/// The beginning of a command line that root can run over this storage: of the user that [`check`] asks for.
pub(in crate::commands) fn program_as_owner(url: &StorageUrl) -> String {
    match other_owner(url) {
        Some((_, user)) => format!("sudo -u {user} rust-nix-serve"),
        None => "rust-nix-serve".to_owned(),
    }
}

/// The directory and its user, where root runs this and the directory is another user's.
fn other_owner(url: &StorageUrl) -> Option<(&Path, String)> {
    let StorageUrl::Directory(directory) = url else { return None };
    let owner = fs::metadata(directory).ok()?.uid();
    let is_other = geteuid().is_root() && owner != 0;
    is_other.then(|| (&**directory, name_of(owner).unwrap_or_else(|| format!("'#{owner}'"))))
}

/// The name of a user in the usual file. `None` for one that another service knows.
fn name_of(user: u32) -> Option<String> {
    let users = fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    })
}
