//! Which listener a connection came in by.

use std::{any::Any, net::SocketAddr, path::PathBuf};

use actix_web::rt::net::{TcpStream, UnixStream};

use super::{Bound, ListeningSocket};

/// The address of a listener, as its connections have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The unspecified address stands for all of the machine.
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// A unix socket without a file.
    Abstract(Vec<u8>),
}

impl Place {
    /// `None` for a unix socket without a name, which nobody can connect to.
    pub(crate) fn of(bound: &Bound) -> Option<Self> {
        use std::os::linux::net::SocketAddrExt as _;
        match &bound.socket {
            ListeningSocket::Tcp(socket) => socket.local_addr().ok().map(Self::Tcp),
            ListeningSocket::Unix(socket) => {
                let local = socket.local_addr().ok()?;
                let path = local.as_pathname().map(|path| Self::Unix(path.to_owned()));
                path.or_else(|| local.as_abstract_name().map(|name| Self::Abstract(name.to_vec())))
            }
        }
    }

    /// Whether a connection, without TLS, is to this listener.
    pub(crate) fn is_of(&self, stream: &dyn Any) -> bool {
        if let Some(stream) = stream.downcast_ref::<TcpStream>() {
            stream.local_addr().is_ok_and(|local| self.is_tcp(local))
        } else if let Some(stream) = stream.downcast_ref::<UnixStream>() {
            stream.local_addr().is_ok_and(|local| match self {
                Self::Tcp(_) => false,
                Self::Unix(path) => local.as_pathname() == Some(path),
                Self::Abstract(name) => local.as_abstract_name() == Some(name),
            })
        } else {
            false
        }
    }

    fn is_tcp(&self, local: SocketAddr) -> bool {
        matches!(self, Self::Tcp(listening)
            if listening.port() == local.port()
                && listening.is_ipv4() == local.is_ipv4()
                && (listening.ip().is_unspecified() || listening.ip() == local.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_known_by_its_port() {
        let local = |listening: &str, local: &str| {
            Place::Tcp(listening.parse().unwrap()).is_tcp(local.parse().unwrap())
        };
        assert!(local("0.0.0.0:80", "192.0.2.1:80"));
        assert!(local("127.0.0.1:80", "127.0.0.1:80"));
        assert!(local("[::]:80", "[::ffff:192.0.2.1]:80"));
        assert!(!local("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!local("0.0.0.0:80", "192.0.2.1:81"));
        assert!(!local("0.0.0.0:80", "[::1]:80"));
        assert!(!Place::Unix("/run/x".into()).is_tcp("127.0.0.1:80".parse().unwrap()));
    }
}
