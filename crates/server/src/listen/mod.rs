//! The sockets that are listened on: TCP, unix sockets, and those that a supervisor passed.
//!
//! Options are set on the listening sockets, not on each connection: Linux copies `TCP_NODELAY`, the
//! keepalive settings and `TCP_USER_TIMEOUT` from a listening socket to every socket it accepts.

mod error;
mod inherited;
mod tcp;
mod unix;

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    time::Duration,
};

pub use self::error::ListenError;
pub(crate) use self::unix::SocketFile;
use crate::config::Listener;

/// Connections that may wait to be accepted. The kernel cuts it down to `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 4096;

/// A socket that is bound and listening.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: ListeningSocket,
    /// Whether clients speak TLS here.
    pub(crate) tls: bool,
    /// Whether only nginx connects here.
    pub(crate) nginx: bool,
    /// The URL for clients; a unix socket has `unix:` and its path instead.
    pub(crate) url: String,
    /// Removes the file of a unix socket when it is dropped.
    pub(crate) file: Option<SocketFile>,
}

#[derive(Debug)]
pub(crate) enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Opens every configured listener, or takes over the sockets that a supervisor passed, which
/// replace the configured ones.
///
/// `nginx` are those that only nginx connects to. `stall` is how long a reader may take no byte before the kernel ends its connection.
///
/// # Errors
///
/// When a listener cannot be opened (one that is `optional` may be missing from the machine), or
/// when there is none at all.
pub(crate) fn open(
    listeners: &[Listener],
    nginx: &[Listener],
    stall: Duration,
) -> Result<Vec<Bound>, ListenError> {
    let passed = inherited::take(stall)?;
    if !passed.is_empty() {
        return Ok(passed);
    }
    let addresses = Addresses(listeners);
    let mut bound = Vec::new();
    for listener in listeners {
        let nginx = nginx.contains(listener);
        match listener {
            Listener::Inherited => return Err(ListenError::NothingPassed),
            Listener::Unix { path, mode } => {
                bound.push(Bound { nginx, ..unix::bind(path, *mode)? })
            }
            Listener::Tcp { addr, tls, optional } => {
                match tcp::bind(*addr, *tls, addresses.only_v6(*addr), stall) {
                    Ok(listener) => bound.push(Bound { nginx, ..listener }),
                    Err(ListenError::NoSuchAddress { .. }) if *optional => {
                        tracing::debug!(%addr, "not listening there: the machine has no such address");
                    }
                    Err(err) => return Err(err),
                }
            }
        }
    }
    if bound.is_empty() {
        return Err(ListenError::Nowhere);
    }
    Ok(bound)
}

struct Addresses<'a>(&'a [Listener]);

impl Addresses<'_> {
    /// `[::]` alone takes IPv4 as well, which is what people expect of it on Linux. With an IPv4
    /// listener on the same port beside it, it must leave IPv4 alone, or the second could not be bound.
    fn only_v6(&self, v6: SocketAddr) -> bool {
        !v6.ip().is_unspecified()
            || self.0.iter().any(|listener| {
                matches!(listener, Listener::Tcp { addr, .. }
                    if addr.is_ipv4() && addr.port() == v6.port())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(900);

    fn tcp(addr: &str, optional: bool) -> Listener {
        Listener::Tcp { addr: addr.parse().unwrap(), tls: false, optional }
    }

    #[test]
    fn listens_on_several_addresses_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let listeners = [
            tcp("127.0.0.1:0", false),
            tcp("127.0.0.1:0", false),
            Listener::Unix { path: path.clone(), mode: 0o660 },
        ];
        let bound = open(&listeners, &[], STALL).unwrap();
        let urls: Vec<_> = bound.iter().map(|bound| bound.url.as_str()).collect();
        assert!(urls[0].starts_with("http://127.0.0.1:"), "{urls:?}");
        assert!(!urls[0].ends_with(":0"), "the real port is shown: {urls:?}");
        assert_ne!(urls[0], urls[1]);
        assert_eq!(urls[2], format!("unix:{}", path.display()));
    }

    #[test]
    fn an_optional_address_may_be_missing_and_another_may_not() {
        // 192.0.2.0/24 is reserved for documentation: no machine has it.
        let missing = tcp("192.0.2.1:0", true);
        let bound = open(&[tcp("127.0.0.1:0", false), missing.clone()], &[], STALL).unwrap();
        assert_eq!(bound.len(), 1);

        let err = open(&[missing], &[], STALL).unwrap_err();
        assert!(matches!(err, ListenError::Nowhere), "{err}");
        let err = open(&[tcp("192.0.2.1:0", false)], &[], STALL).unwrap_err();
        assert!(err.to_string().contains("192.0.2.1:0"), "{err}");
    }

    #[test]
    fn inherited_alone_says_when_nothing_was_passed() {
        let err = open(&[Listener::Inherited], &[], STALL).unwrap_err();
        assert!(err.to_string().contains("LISTEN_FDS"), "{err}");
    }

    #[test]
    fn v6_leaves_v4_alone_only_when_it_has_to() {
        let any_v6: SocketAddr = "[::]:5000".parse().unwrap();
        let both = [tcp("0.0.0.0:5000", false), tcp("[::]:5000", false)];
        assert!(Addresses(&both).only_v6(any_v6));
        let alone = [tcp("[::]:5000", false), tcp("127.0.0.1:80", false)];
        assert!(!Addresses(&alone).only_v6(any_v6));
        assert!(Addresses(&alone).only_v6("[::1]:5000".parse().unwrap()));
    }
}
