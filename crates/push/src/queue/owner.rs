//! The user whose queue it is. The hook of Nix runs as root, and the directory of a queue belongs to the user who drains it:
//! root must neither follow that user's links nor make files there.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// Links that are followed on the way to a file.
const MAX_OWNER_LINKS: usize = 40;

/// Makes a thread of root one of the user who could change the queue in this file, for good. To be called before other threads
/// are started. Nothing changes for other users, and for a queue that root alone can change.
///
/// # Errors
/// When the way to the file cannot be looked at, or root may not become that user.
pub fn become_owner(file: &Path) -> io::Result<()> {
    let Some((user, group)) = other_owner(file)? else { return Ok(()) };
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    Ok(())
}

/// The user beside root who can change the first thing on the way to a file, and its group: all that follows is in their hands.
/// `None` where that is root, and where this process is not root.
pub(super) fn other_owner(file: &Path) -> io::Result<Option<(Uid, Gid)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let mut open: VecDeque<OsString> = parts(&std::path::absolute(file)?);
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    while let Some(part) = open.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(part);
        let found = match next.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        if found.uid() != 0 {
            return Ok(Some((Uid::from_raw(found.uid()), Gid::from_raw(found.gid()))));
        }
        if !found.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > MAX_OWNER_LINKS {
            return Err(io::Error::other("it is a link that leads to itself"));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        open = parts(&target).into_iter().chain(open).collect();
    }
    Ok(None)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn the_first_that_is_not_of_root_owns_what_follows() {
        let scratch = tempfile::tempdir().unwrap();
        let own = scratch.path();
        // Elsewhere there is nothing to tell apart.
        if !geteuid().is_root() || other_owner(own).unwrap().is_some() {
            return;
        }
        let owner = |file: &Path| other_owner(file).unwrap().map(|(user, _)| user.as_raw());
        fs::create_dir_all(own.join("theirs/below")).unwrap();
        chown(own.join("theirs"), Some(65534), Some(65534)).unwrap();
        symlink("theirs/below", own.join("link")).unwrap();
        symlink("/", own.join("theirs/root")).unwrap();
        symlink("circle", own.join("circle")).unwrap();
        assert_eq!(owner(&own.join("queue.sqlite")), None);
        assert_eq!(owner(&own.join("none/queue.sqlite")), None);
        assert_eq!(owner(&own.join("theirs/queue.sqlite")), Some(65534));
        assert_eq!(owner(&own.join("link/queue.sqlite")), Some(65534));
        assert_eq!(owner(&own.join("theirs/root/etc/queue.sqlite")), Some(65534));
        assert_eq!(owner(&own.join("none/../theirs/x")), None, "there is no such way");
        assert!(other_owner(&own.join("circle/x")).is_err());
    }
}
