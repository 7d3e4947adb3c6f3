//! The sockets that are listened on: TCP, unix sockets, and those that a supervisor passed.
//!
//! Options are set on the listening sockets, not on each connection: Linux copies `TCP_NODELAY`, the
//! keepalive settings and `TCP_USER_TIMEOUT` from a listening socket to every socket it accepts.

mod bound;
mod error;
mod inherited;
mod tcp;
mod unix;

use std::{net::SocketAddr, time::Duration};

pub(crate) use self::bound::{Bound, ListeningSocket, Purpose, SocketFile};
pub use self::error::{ListenError, PassedSocketError};
use crate::config::Listener;

/// The listeners of a configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedListener<'a> {
    pub(crate) clients: &'a [Listener],
    /// Those of `clients` that only nginx connects to.
    pub(crate) nginx: &'a [Listener],
    pub(crate) watchers: &'a [Listener],
}

/// Opens every configured listener. Sockets that a supervisor passed take the place of those for clients, and those it
/// passed for watchers of those for watchers.
///
/// `stall` is how long a reader may take no byte before the kernel ends its connection.
///
/// # Errors
///
/// When a listener cannot be opened (one that is `optional` may be missing from the machine), or
/// when there is none at all.
pub(crate) fn open(wanted: WantedListener<'_>, stall: Duration) -> Result<Vec<Bound>, ListenError> {
    let mut bound = inherited::take(stall)?;
    let passed = |bound: &[Bound], for_watchers: bool| {
        bound.iter().any(|one| (one.purpose == Purpose::Metrics) == for_watchers)
    };
    let (clients, watchers) = (passed(&bound, false), passed(&bound, true));
    let addresses = Addresses(wanted);
    if !clients {
        for listener in wanted.clients {
            let is_nginx = wanted.nginx.contains(listener);
            let purpose = if is_nginx { Purpose::Nginx } else { Purpose::Clients };
            bound.extend(bind(listener, purpose, &addresses, stall)?);
        }
        if !passed(&bound, false) {
            return Err(ListenError::Nowhere);
        }
    }
    if !watchers {
        for listener in wanted.watchers {
            bound.extend(bind(listener, Purpose::Metrics, &addresses, stall)?);
        }
    }
    Ok(bound)
}

/// Opens a listener; `None` when this machine lacks the address of one that is optional.
fn bind(
    listener: &Listener,
    purpose: Purpose,
    addresses: &Addresses<'_>,
    stall: Duration,
) -> Result<Option<Bound>, ListenError> {
    let bound = match listener {
        Listener::Inherited => return Err(ListenError::NothingPassed),
        Listener::Unix { path, mode } => unix::bind(path, *mode)?,
        Listener::Tcp { addr, tls, optional } => {
            match tcp::bind(*addr, *tls, addresses.only_v6(*addr), stall) {
                Err(ListenError::NoSuchAddress { .. } | ListenError::NoSuchFamily { .. })
                    if *optional =>
                {
                    tracing::debug!(%addr, "not listening there: the machine has no such address");
                    return Ok(None);
                }
                bound => bound?,
            }
        }
    };
    Ok(Some(Bound { purpose, ..bound }))
}

struct Addresses<'a>(WantedListener<'a>);

impl Addresses<'_> {
    /// `[::]` alone takes IPv4 as well, which people expect of it on Linux. With an IPv4
    /// listener on the same port beside it, it must leave IPv4 alone, or the second could not be bound.
    fn only_v6(&self, v6: SocketAddr) -> bool {
        !v6.ip().is_unspecified()
            || self.0.clients.iter().chain(self.0.watchers).any(|listener| {
                matches!(listener, Listener::Tcp { addr, .. }
                    if addr.is_ipv4() && addr.port() == v6.port())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_TIMEOUT: Duration = Duration::from_secs(900);

    const fn clients(clients: &[Listener]) -> WantedListener<'_> {
        WantedListener { clients, nginx: &[], watchers: &[] }
    }

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
        let bound = open(clients(&listeners), STALL_TIMEOUT).unwrap();
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
        let bound =
            open(clients(&[tcp("127.0.0.1:0", false), missing.clone()]), STALL_TIMEOUT).unwrap();
        assert_eq!(bound.len(), 1);

        let err = open(clients(&[missing]), STALL_TIMEOUT).unwrap_err();
        assert!(matches!(err, ListenError::Nowhere), "{err}");
        let err = open(clients(&[tcp("192.0.2.1:0", false)]), STALL_TIMEOUT).unwrap_err();
        assert!(err.to_string().contains("192.0.2.1:0"), "{err}");
    }

    #[test]
    fn listeners_know_who_connects() {
        let (nginx, watch) = (tcp("127.0.0.1:0", false), tcp("[::1]:0", true));
        let both = [
            nginx.clone(),
            Listener::Tcp { addr: "127.0.0.1:0".parse().unwrap(), tls: false, optional: true },
        ];
        let wanted = WantedListener {
            clients: &both,
            nginx: &[nginx],
            watchers: &[watch, tcp("127.0.0.1:0", false)],
        };
        let purposes: Vec<_> =
            open(wanted, STALL_TIMEOUT).unwrap().iter().map(|one| one.purpose).collect();
        assert_eq!(purposes[..2], [Purpose::Nginx, Purpose::Clients]);
        assert!(purposes.len() > 2 && purposes[2..].iter().all(|one| *one == Purpose::Metrics));
        let err = open(WantedListener { clients: &[], ..wanted }, STALL_TIMEOUT).unwrap_err();
        assert!(matches!(err, ListenError::Nowhere), "{err}");
    }

    #[test]
    fn inherited_alone_says_when_nothing_was_passed() {
        let err = open(clients(&[Listener::Inherited]), STALL_TIMEOUT).unwrap_err();
        assert!(err.to_string().contains("LISTEN_FDS"), "{err}");
    }

    #[test]
    fn v6_leaves_v4_alone_only_when_it_has_to() {
        let any_v6: SocketAddr = "[::]:5000".parse().unwrap();
        let both = [tcp("0.0.0.0:5000", false), tcp("[::]:5000", false)];
        assert!(Addresses(clients(&both)).only_v6(any_v6));
        let alone = [tcp("[::]:5000", false), tcp("127.0.0.1:80", false)];
        assert!(!Addresses(clients(&alone)).only_v6(any_v6));
        assert!(Addresses(clients(&alone)).only_v6("[::1]:5000".parse().unwrap()));
    }
}
