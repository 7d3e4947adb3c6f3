//! Why a listener could not be opened, and the remedy.

use std::{fs, io, net::SocketAddr, path::PathBuf};

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
        /// The address of the listener.
        address: String,
        /// The command that shows who has it.
        find: String,
    },
    /// The operating system refuses.
    #[error("not allowed to listen on {address}: {remedy}")]
    NotPermitted {
        /// The address of the listener.
        address: String,
        /// The remedy.
        remedy: String,
    },
    /// The address belongs to no interface that this process sees.
    #[error("{address} is not an address of {}", interfaces(*.is_private_network))]
    NoSuchAddress {
        /// The address of the listener.
        address: SocketAddr,
        /// Whether this process sees no interface but the loopback one.
        is_private_network: bool,
    },
    /// The kernel or the sandbox has no such sockets.
    #[error(
        "this process may not make {family} sockets, so it cannot listen on {address}: add AF_INET and AF_INET6 to \
         RestrictAddressFamilies= in the service, or let a .socket unit pass the socket ({PASSED}){without_ipv6}",
        family = if address.is_ipv4() { "IPv4" } else { "IPv6" },
        without_ipv6 = if address.is_ipv4() { "" } else { "; or the machine has no IPv6" }
    )]
    NoSuchFamily {
        /// The address of the listener.
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
        /// The problem.
        why: String,
    },
    /// The operating system failed in another way.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address of the listener.
        address: String,
        /// Its error.
        source: io::Error,
    },
    /// A socket that was passed cannot be used.
    #[error("cannot use the passed socket {number} ({name}): {why}")]
    Passed {
        /// Its place in the list that was passed, from 0.
        number: usize,
        /// Its name in `LISTEN_FDNAMES`.
        name: String,
        /// The problem.
        why: PassedSocketError,
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

/// How a unit passes a socket that only watchers of the service connect to.
const PASSED: &str = "FileDescriptorName=metrics for metrics.listen";

fn interfaces(is_private_network: bool) -> String {
    if is_private_network {
        format!(
            "the network of this process, which has the loopback interface alone, as PrivateNetwork=true in the \
             service does it: let a .socket unit pass the socket ({PASSED}), or set PrivateNetwork=false"
        )
    } else {
        "this machine; `ip address` lists those it has".to_owned()
    }
}

/// Whether a table of network interfaces, as in `/proc/net/dev`, has only `lo`.
fn is_loopback_alone(table: &str) -> bool {
    let mut names = table.lines().skip(2).filter_map(|line| line.split_once(':'));
    names.all(|(name, _)| name.trim() == "lo")
}

/// The problem of a socket that was passed.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketError {
    /// Something else has it.
    #[error("it was taken already")]
    Taken,
    /// It is of another kind.
    #[error("it is neither a TCP nor a unix stream socket; the socket unit needs ListenStream=")]
    NoStream,
    /// It is called as one on which TLS is spoken, and is none on which that could be.
    #[error("TLS is spoken on TCP sockets only; give it another FileDescriptorName=")]
    TlsOnUnix,
    /// It is a connection.
    #[error(
        "it does not listen: the socket unit must not say Accept=yes, which passes single connections"
    )]
    NotListening,
    /// The operating system failed in another way.
    #[error("{0}")]
    Io(#[from] io::Error),
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
            Errno::ADDRNOTAVAIL => Self::NoSuchAddress {
                address: addr,
                is_private_network: fs::read_to_string("/proc/self/net/dev")
                    .is_ok_and(|table| is_loopback_alone(&table)),
            },
            Errno::AFNOSUPPORT => Self::NoSuchFamily { address: addr },
            other => Self::Other {
                address,
                source: other.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_cause_that_fits_the_sandbox() {
        let address: SocketAddr = "192.0.2.1:9100".parse().unwrap();
        let said = |is_private_network| {
            ListenError::NoSuchAddress { address, is_private_network }.to_string()
        };
        assert!(said(true).contains("PrivateNetwork=true in the service"), "{}", said(true));
        assert!(said(false).contains("not an address of this machine"), "{}", said(false));
        let family = ListenError::tcp(address, Errno::AFNOSUPPORT).to_string();
        assert!(family.contains("IPv4") && family.contains("RestrictAddressFamilies="), "{family}");
        assert!(family.contains("FileDescriptorName=metrics"), "{family}");
    }

    #[test]
    fn a_network_of_its_own_has_the_loopback_interface_alone() {
        let head = "Inter-|   Receive\n face |bytes\n";
        assert!(is_loopback_alone(&format!("{head}    lo:  10 0\n")));
        assert!(!is_loopback_alone(&format!("{head}    lo:  10 0\n  eth0: 3 0\n")));
    }
}
