//! Unix sockets: permission bits, stale files, and cleaning up.

use std::{
    fs::{self, File, Permissions},
    io::ErrorKind,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, listen,
        socket_with,
    },
};

use super::{
    bound::{Bound, ListeningSocket, MAX_BACKLOG, Purpose, SocketFile},
    error::ListenError,
};

/// Longest path that fits into the kernel's socket address, in bytes.
const MAX_PATH_BYTES: usize = 107;

pub(super) fn bind(path: &Path, mode: u32) -> Result<Bound, ListenError> {
    let _lock = lock_directory(path);
    remove_stale(path)?;
    let (listener, file) = open(path, mode).map_err(|errno| explain(path, errno))?;
    Ok(Bound {
        socket: ListeningSocket::Unix(listener),
        tls: false,
        purpose: Purpose::Clients,
        url: format!("unix:{}", path.display()),
        file: Some(file),
    })
}

/// A socket can be connected to only after `listen`, so the permission bits are right before
/// a client can connect, without touching the umask of the whole process.
fn open(path: &Path, mode: u32) -> rustix::io::Result<(UnixListener, SocketFile)> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind_socket(&socket, &SocketAddrUnix::new(path)?)?;
    let file = {
        let metadata = fs::symlink_metadata(path).map_err(|err| errno(&err))?;
        SocketFile::new(path, &metadata)
    };
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|err| errno(&err))?;
    listen(&socket, MAX_BACKLOG)?;
    Ok((UnixListener::from(socket), file))
}

fn errno(err: &std::io::Error) -> Errno {
    Errno::from_io_error(err).unwrap_or(Errno::IO)
}

/// Two servers that start at the same moment would both find the old file stale, and the slower
/// would remove the faster one's socket. Where the directory cannot be locked, that risk stays.
fn lock_directory(path: &Path) -> Option<File> {
    let directory = File::open(path.parent()?).ok()?;
    flock(&directory, FlockOperation::LockExclusive).ok()?;
    Some(directory)
}

/// Removes a socket that a server left behind when it was killed. One that is listened on, and
/// anything that is not a socket, is left alone.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket { path: path.to_owned() });
    }
    match UnixStream::connect(path).map_err(|err| err.kind()) {
        Err(ErrorKind::ConnectionRefused) => {
            fs::remove_file(path).map_err(|err| explain(path, errno(&err)))
        }
        Err(ErrorKind::NotFound) => Ok(()),
        Err(ErrorKind::PermissionDenied) => Err(explain(path, Errno::ACCESS)),
        Ok(_) | Err(_) => Err(explain(path, Errno::ADDRINUSE)),
    }
}

fn explain(path: &Path, errno: Errno) -> ListenError {
    let bad = |why: &str| ListenError::BadPath { path: path.to_owned(), why: why.to_owned() };
    let address = format!("unix:{}", path.display());
    let directory = path.parent().unwrap_or_else(|| Path::new("/")).display();
    match errno {
        Errno::ADDRINUSE => {
            ListenError::InUse { address, find: format!("ss -lxp src {}", path.display()) }
        }
        Errno::ACCESS | Errno::PERM => ListenError::NotPermitted {
            address,
            remedy: format!(
                "the server's user (id {}) must be able to write to {directory}; with systemd, \
                 RuntimeDirectory= makes a directory that it may write to",
                rustix::process::geteuid().as_raw()
            ),
        },
        Errno::ROFS => bad("the file system is read-only; sockets belong below /run"),
        Errno::NOENT | Errno::NOTDIR => {
            bad(&format!("{directory} does not exist; `mkdir -p {directory}` makes it"))
        }
        Errno::NAMETOOLONG | Errno::INVAL => bad(&format!(
            "the path has {} bytes and the kernel takes {MAX_PATH_BYTES} at most",
            path.as_os_str().len()
        )),
        other => ListenError::Other { address, source: other.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        (dir, path)
    }

    #[test]
    fn has_the_mode_and_goes_away_at_the_end() {
        let (_dir, path) = directory();
        let bound = bind(&path, 0o620).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o620);
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
        let (_dir, path) = directory();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file behind, as a killed server does");
        let _bound = bind(&path, 0o600).unwrap();

        let text = bind(&path, 0o600).unwrap_err().to_string();
        assert!(text.contains("in use"), "{text}");
        UnixStream::connect(&path).expect("the first server is still there");
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let (_dir, path) = directory();
        fs::write(&path, "precious").unwrap();
        let text = bind(&path, 0o600).unwrap_err().to_string();
        assert!(text.contains("not a socket"), "{text}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn the_socket_of_a_successor_is_not_removed() {
        let (dir, path) = directory();
        let first = bind(&path, 0o600).unwrap();
        fs::rename(&path, dir.path().join("moved.sock")).unwrap();
        let _second = bind(&path, 0o600).unwrap();
        drop(first);
        UnixStream::connect(&path).expect("the second server's socket is still there");
    }

    #[test]
    fn unusable_paths_say_what_is_wrong_with_them() {
        let (dir, _) = directory();
        let text = bind(&dir.path().join("none/http.sock"), 0o600).unwrap_err().to_string();
        assert!(text.contains("mkdir -p"), "{text}");
        let text = bind(&dir.path().join("x".repeat(120)), 0o600).unwrap_err().to_string();
        assert!(text.contains("107"), "{text}");
    }
}
