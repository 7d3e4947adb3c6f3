//! An nginx in front that sends files of the NAR cache itself.
//!
//! It gets `X-Accel-Redirect` with a name below a location that it has marked `internal`. Only what arrives on the
//! listener that is nginx's is answered so: any other client could do nothing with an empty body.

use std::{any::Any, net::SocketAddr, path::PathBuf};

use actix_web::{
    HttpRequest,
    dev::Extensions,
    http::header::{HeaderName, HeaderValue},
    rt::net::{TcpStream, UnixStream},
};

use crate::state::State;

/// In an answer: the file that nginx is to send. In a request: `off` asks for the bytes all the same, for nginx
/// has not found the file.
pub(crate) const HEADER: &str = "x-accel-redirect";

/// In an answer: how many bytes of that file nginx may send in a second.
pub(crate) const LIMIT_RATE: HeaderName = HeaderName::from_static("x-accel-limit-rate");

/// Marks a connection that nginx has made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind;

/// The address of a listener, as its connections have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// The unspecified address stands for all of the machine.
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Local {
    /// Marks a connection to this listener.
    pub(crate) fn mark(&self, stream: &dyn Any, extensions: &mut Extensions) {
        let is_here = if let Some(stream) = stream.downcast_ref::<TcpStream>() {
            stream.local_addr().is_ok_and(|local| self.is_tcp(local))
        } else if let Some(stream) = stream.downcast_ref::<UnixStream>() {
            let local = stream.local_addr();
            local.is_ok_and(
                |local| matches!(self, Self::Unix(path) if local.as_pathname() == Some(path)),
            )
        } else {
            false
        };
        if is_here {
            extensions.insert(Behind);
        }
    }

    fn is_tcp(&self, local: SocketAddr) -> bool {
        matches!(self, Self::Tcp(listening)
            if listening.port() == local.port() && (listening.ip().is_unspecified() || listening.ip() == local.ip()))
    }
}

/// Where nginx finds a file of the cache, if it is nginx that asks.
pub(crate) fn location(request: &HttpRequest, state: &State, name: &str) -> Option<HeaderValue> {
    let nginx = state.config.nginx.as_ref()?;
    request.conn_data::<Behind>()?;
    if request.headers().get(HEADER).is_some_and(|value| value == "off") {
        return None;
    }
    HeaderValue::try_from(format!("{}{name}", nginx.prefix)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_known_by_its_port() {
        let local = |listening: &str, local: &str| {
            Local::Tcp(listening.parse().unwrap()).is_tcp(local.parse().unwrap())
        };
        assert!(local("0.0.0.0:80", "192.0.2.1:80"));
        assert!(local("127.0.0.1:80", "127.0.0.1:80"));
        assert!(!local("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!local("0.0.0.0:80", "192.0.2.1:81"));
        assert!(!Local::Unix("/run/x".into()).is_tcp("127.0.0.1:80".parse().unwrap()));
    }
}
