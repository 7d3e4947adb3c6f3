//! Names inside a store path, symbolic links followed, but never to a place outside of it.
//!
//! The kernel resolves most names in one call (`openat2`). It gives up at links with an absolute
//! target, which packages have that point into themselves, and where it is too old or forbids that
//! call: then the components are walked one by one. The walk holds a descriptor of each directory
//! it came through and returns to those at `..`, so no moved directory can lead it out.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{self, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use crate::nar::{DIRECTORY_FLAGS, FILE};

/// Symbolic links followed on the way to one name: the kernel's own limit.
const MAX_SYMLINKS: usize = 40;

/// Directories on the way down: twice as many as an archive may have.
const MAX_DIRECTORIES: usize = 128;

/// Opens the file that `name` leads to from the directory `root`; components are separated by `/`, and none means
/// the root. Absolute targets are followed when they begin with `root_name`.
///
/// # Errors
/// The error of the system; [`is_absent`] tells whether that means that there is no such name inside.
pub(crate) fn open_inside(
    root: BorrowedFd<'_>,
    root_name: &[u8],
    name: &[u8],
) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let whole = if name.is_empty() { b"." } else { name };
    match fs::openat2(root, whole, FILE.difference(OFlags::NOFOLLOW), Mode::empty(), resolve) {
        Ok(file) => Ok(file),
        Err(Errno::XDEV | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => walk(root, root_name, name),
        Err(error) => Err(error.into()),
    }
}

/// Whether an error means that a name leads to nothing that could be served, rather than that the
/// system could not say.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    use Errno as E;
    let absent =
        [E::NOENT, E::NOTDIR, E::LOOP, E::XDEV, E::NXIO, E::NODEV, E::NAMETOOLONG, E::INVAL];
    Errno::from_io_error(error).is_some_and(|error| absent.contains(&error))
}

fn walk(root: BorrowedFd<'_>, root_name: &[u8], name: &[u8]) -> io::Result<OwnedFd> {
    let mut pending = Vec::new();
    push(&mut pending, name);
    let mut directories: Vec<OwnedFd> = Vec::new();
    let mut links = MAX_SYMLINKS;
    while let Some(component) = pending.pop() {
        let here = directories.last().map_or(root, |directory| directory.as_fd());
        match component.as_slice() {
            b"" | b"." => {}
            b".." => drop(directories.pop().ok_or(Errno::XDEV)?),
            name => match fs::readlinkat(here, name, Vec::new()) {
                Ok(target) => {
                    links = links.checked_sub(1).ok_or(Errno::LOOP)?;
                    let target = target.as_bytes();
                    if target.starts_with(b"/") {
                        push(&mut pending, inside(target, root_name).ok_or(Errno::XDEV)?);
                        directories.clear();
                    } else {
                        push(&mut pending, target);
                    }
                }
                // No symbolic link.
                Err(Errno::INVAL) if pending.is_empty() => {
                    return Ok(fs::openat(here, name, FILE, Mode::empty())?);
                }
                Err(Errno::INVAL) if directories.len() == MAX_DIRECTORIES => {
                    return Err(Errno::LOOP.into());
                }
                Err(Errno::INVAL) => {
                    directories.push(fs::openat(here, name, DIRECTORY_FLAGS, Mode::empty())?)
                }
                Err(error) => return Err(error.into()),
            },
        }
    }
    let here = directories.last().map_or(root, |directory| directory.as_fd());
    Ok(fs::openat(here, ".", DIRECTORY_FLAGS, Mode::empty())?)
}

/// Puts the components of `name` before those that are still to be walked.
fn push(pending: &mut Vec<Vec<u8>>, name: &[u8]) {
    pending.extend(name.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
}

/// The part of an absolute target that is below the root.
fn inside<'a>(target: &'a [u8], root_name: &[u8]) -> Option<&'a [u8]> {
    let rest = target.strip_prefix(root_name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, create_dir, create_dir_all, write},
        io::Read as _,
        os::unix::fs::symlink,
        path::Path,
    };

    use super::*;

    const NAME: &[u8] = b"/nix/store/00000000000000000000000000000000-x";

    fn name(rest: &str) -> String {
        format!("{}{rest}", str::from_utf8(NAME).unwrap())
    }

    fn tree(directory: &Path) -> OwnedFd {
        let root = directory.join("root");
        create_dir_all(root.join("bin/deep")).unwrap();
        create_dir(directory.join("beside")).unwrap();
        write(directory.join("beside/secret"), "secret").unwrap();
        write(directory.join("root-2"), "secret").unwrap();
        write(root.join("bin/tool"), "tool").unwrap();
        write(root.join("-2"), "not what /…-x-2 means").unwrap();
        for (link, target) in [
            ("relative", "bin/tool"),
            ("bin/deep/up", "../../bin/tool"),
            ("bin/deep/dir", "../.."),
            ("through", "bin/deep/up"),
            ("dot", "./bin/./tool"),
            ("own", &name("/bin/tool")),
            ("own-dir", &name("")),
            ("own-dir-slash", &name("/")),
            ("bin/deep/own", &name("/relative")),
            ("own-up", &name("/../root/bin/tool")),
            ("own-longer", &name("-2")),
            ("absolute", "/etc/passwd"),
            ("etc", "/etc"),
            ("up", "../beside/secret"),
            ("up-dir", ".."),
            ("over", "bin/../../root/bin/tool"),
            ("self", "self"),
            ("ping", "pong"),
            ("pong", "ping"),
            ("dangling", "nothing"),
            ("file-slash", "bin/tool/"),
            ("file-dot", "bin/tool/."),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        File::open(&root).unwrap().into()
    }

    type Open = fn(BorrowedFd<'_>, &[u8], &[u8]) -> io::Result<OwnedFd>;

    /// As the kernel resolves names, and without it.
    const WAYS: [Open; 2] = [open_inside, walk];

    fn read(open: Open, root: &OwnedFd, name: &str) -> io::Result<String> {
        let mut text = String::new();
        File::from(open(root.as_fd(), NAME, name.as_bytes())?).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn links_that_stay_inside_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = tree(directory.path());
        for open in WAYS {
            for name in [
                "bin/tool",
                "relative",
                "bin/deep/up",
                "bin/deep/dir/relative",
                "through",
                "dot",
                "own",
                "own-dir/bin/tool",
                "own-dir-slash/own",
                "bin/deep/own",
                "own-dir/own-dir/bin/deep/dir/through",
            ] {
                assert_eq!(read(open, &root, name).ok().as_deref(), Some("tool"), "{name}");
            }
            for name in ["", "bin", "bin/deep/dir", "own-dir", "own-dir-slash"] {
                let file = open(root.as_fd(), NAME, name.as_bytes()).unwrap();
                assert!(File::from(file).metadata().unwrap().is_dir(), "{name}");
            }
        }
    }

    #[test]
    fn nothing_leads_out_whatever_the_links_say() {
        let directory = tempfile::tempdir().unwrap();
        let root = tree(directory.path());
        for open in WAYS {
            for name in [
                "absolute",
                "etc/passwd",
                "up",
                "up-dir",
                "up-dir/beside/secret",
                "over",
                "own-up",
                "own-longer",
                "..",
                "../beside/secret",
                "bin/../../beside/secret",
                "bin/deep/dir/up",
                "own-dir/up",
            ] {
                let error = read(open, &root, name).expect_err(name);
                assert!(is_absent(&error), "{name}: {error}");
            }
        }
    }

    #[test]
    fn what_leads_nowhere_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let root = tree(directory.path());
        let long = "x".repeat(300);
        for open in WAYS {
            for name in [
                "nothing",
                "bin/tool/x",
                "self",
                "ping",
                "dangling",
                "file-slash",
                "file-dot",
                "bin/tool/..",
                &long,
            ] {
                let error = read(open, &root, name).expect_err(name);
                assert!(is_absent(&error), "{name}: {error}");
            }
        }
    }

    #[test]
    fn a_chain_of_links_has_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path().join("0"), "end").unwrap();
        for link in 1..50 {
            symlink((link - 1).to_string(), directory.path().join(link.to_string())).unwrap();
        }
        let root = File::open(directory.path()).unwrap().into();
        for open in WAYS {
            assert_eq!(read(open, &root, "40").unwrap(), "end");
            assert!(is_absent(&read(open, &root, "41").unwrap_err()));
        }
    }
}
