//! A socket that is listened on.

use std::{
    fs::{self, Metadata},
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, net::UnixListener},
    path::{Path, PathBuf},
};

/// Connections that may wait to be accepted. The kernel cuts it down to `net.core.somaxconn`.
pub(crate) const MAX_BACKLOG: i32 = 4096;

/// A socket that is bound and listening.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: ListeningSocket,
    /// Whether clients speak TLS here.
    pub(crate) tls: bool,
    /// Who connects here.
    pub(crate) purpose: Purpose,
    /// The URL for clients; a unix socket has `unix:` and its path instead.
    pub(crate) url: String,
    /// Removes the file of a unix socket when it is dropped.
    pub(crate) file: Option<SocketFile>,
}

/// Who connects to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Every client.
    Clients,
    /// Only nginx.
    Nginx,
    /// Monitoring.
    Metrics,
}

#[derive(Debug)]
pub(crate) enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Removes the socket's file when it is dropped, unless another server has put its own there since.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The file of a socket that has just been made.
    pub(super) fn new(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|now| now.dev() == self.device && now.ino() == self.inode);
        if ours && let Err(err) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %err, "cannot remove the socket");
        }
    }
}
