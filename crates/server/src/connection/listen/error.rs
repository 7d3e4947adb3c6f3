//! Why a listener could not be opened, and what mends it.

use std::{io, net::SocketAddr, path::PathBuf};

use rustix::io::Errno;

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Something listens there already.
    #[error(
        "{address} is in use: another program listens there. `{find}` shows which; stop it, or listen elsewhere"
    )]
    InUse {
        /// What was to be listened on.
        address: String,
        /// The command that shows who has it.
        find: String,
    },
    /// The operating system refuses.
    #[error("not allowed to listen on {address}: {remedy}")]
    NotPermitted {
        /// What was to be listened on.
        address: String,
        /// What helps.
        remedy: String,
    },
    /// The address belongs to no interface of this machine, or the machine has no IPv6.
    #[error("{address} is not an address of this machine; `ip address` lists those it has")]
    NoSuchAddress {
        /// What was to be listened on.
        address: SocketAddr,
    },
    /// The path of a unix socket is taken by something that is not a socket.
    #[error("{path} exists and is not a socket: it is left alone. Remove it or choose another path", path = path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path of a unix socket cannot be used.
    #[error("cannot put a socket at {path}: {why}", path = path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system failed in another way.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// What was to be listened on.
        address: String,
        /// What it said.
        source: io::Error,
    },
    /// A socket that was passed cannot be used.
    #[error("cannot use the passed socket {number} ({name}): {why}")]
    Passed {
        /// Its place in the list that was passed, from 0.
        number: usize,
        /// Its name in `LISTEN_FDNAMES`.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Only passed sockets are to be used, and there are none.
    #[error(
        "no socket was passed in LISTEN_FDS: start the server by its .socket unit, or say where to listen"
    )]
    NothingPassed,
    /// No listener is configured, or all were optional and missing.
    #[error("there is nothing to listen on: the machine has none of the configured addresses")]
    Nowhere,
}

impl ListenError {
    pub(super) fn tcp(addr: SocketAddr, errno: Errno) -> Self {
        let address = addr.to_string();
        match errno {
            Errno::ADDRINUSE => Self::InUse {
                address,
                find: format!("ss -ltnp 'sport = :{}'", addr.port()),
            },
            Errno::ACCESS | Errno::PERM => Self::NotPermitted {
                address,
                remedy: "ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the service, \
                         a systemd socket unit that passes the socket, or a higher port"
                    .to_owned(),
            },
            Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT => Self::NoSuchAddress { address: addr },
            other => Self::Other {
                address,
                source: other.into(),
            },
        }
    }
}
