//! Sockets that systemd, or another supervisor, passed: `LISTEN_FDS`, `LISTEN_PID` and
//! `LISTEN_FDNAMES` as `sd_listen_fds_with_names(3)` describes them.

use std::{
    net::TcpListener,
    os::{
        fd::AsFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    time::Duration,
};

use listenfd::ListenFd;
use rustix::net::sockopt;

use super::{
    bound::{Bound, ListeningSocket, Purpose},
    error::{ListenError, PassedSocketError},
    tcp,
};

/// `FileDescriptorName=` of the sockets whose clients speak TLS.
const TLS_NAME: &str = "tls";

/// The purpose of a socket, by its name.
fn purpose(name: &str) -> Purpose {
    match name {
        "nginx" => Purpose::Nginx,
        "metrics" => Purpose::Metrics,
        _ => Purpose::Clients,
    }
}

/// Takes every passed socket; none is no error. Call it once, before threads are started: it takes
/// the variables out of the environment, so that children do not believe the sockets are theirs.
pub(super) fn take(stall: Duration) -> Result<Vec<Bound>, ListenError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = ListenFd::from_env();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    names
        .take(passed.len())
        .enumerate()
        .map(|(number, name)| {
            socket(&mut passed, number, &name, stall).map_err(|why| ListenError::Passed {
                number,
                name,
                why,
            })
        })
        .collect()
}

fn socket(
    passed: &mut ListenFd,
    number: usize,
    name: &str,
    stall: Duration,
) -> Result<Bound, PassedSocketError> {
    if let Ok(Some(listener)) = passed.take_unix_listener(number) {
        return from_unix(listener, name);
    }
    match passed.take_tcp_listener(number) {
        Ok(Some(listener)) => from_tcp(listener, name, stall),
        Ok(None) => Err(PassedSocketError::Taken),
        Err(_) => Err(PassedSocketError::NoStream),
    }
}

fn from_tcp(
    listener: TcpListener,
    name: &str,
    stall: Duration,
) -> Result<Bound, PassedSocketError> {
    must_listen(&listener)?;
    let bound = tcp::describe(listener, name == TLS_NAME, stall)?;
    Ok(Bound { purpose: purpose(name), ..bound })
}

fn from_unix(listener: UnixListener, name: &str) -> Result<Bound, PassedSocketError> {
    must_listen(&listener)?;
    if name == TLS_NAME {
        return Err(PassedSocketError::TlsOnUnix);
    }
    let url = listener.local_addr().map_or_else(|_| "unix:".to_owned(), |addr| unix_url(&addr));
    Ok(Bound {
        socket: ListeningSocket::Unix(listener),
        tls: false,
        purpose: purpose(name),
        url,
        // The file belongs to the program that made the socket.
        file: None,
    })
}

fn unix_url(addr: &SocketAddr) -> String {
    match (addr.as_pathname(), addr.as_abstract_name()) {
        (Some(path), _) => format!("unix:{}", path.display()),
        (None, Some(name)) => format!("unix:@{}", name.escape_ascii()),
        (None, None) => "unix:".to_owned(),
    }
}

fn must_listen(socket: impl AsFd) -> Result<(), PassedSocketError> {
    match sockopt::socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        Ok(false) => Err(PassedSocketError::NotListening),
        Err(err) => Err(PassedSocketError::Io(err.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    const STALL_TIMEOUT: Duration = Duration::from_secs(900);

    #[test]
    fn names_mark_tls_nginx_and_watchers() {
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let plain = from_tcp(listener(), "http", STALL_TIMEOUT).unwrap();
        assert!(!plain.tls && plain.url.starts_with("http://127.0.0.1:"));
        assert_eq!(plain.purpose, Purpose::Clients);
        assert_eq!(from_tcp(listener(), "nginx", STALL_TIMEOUT).unwrap().purpose, Purpose::Nginx);
        assert_eq!(
            from_tcp(listener(), "metrics", STALL_TIMEOUT).unwrap().purpose,
            Purpose::Metrics
        );
        let tls = from_tcp(listener(), "tls", STALL_TIMEOUT).unwrap();
        assert!(tls.tls && tls.url.starts_with("https://127.0.0.1:"));
    }

    #[test]
    fn passed_tcp_sockets_get_the_options_too() {
        let bound = from_tcp(TcpListener::bind("127.0.0.1:0").unwrap(), "", STALL_TIMEOUT).unwrap();
        let ListeningSocket::Tcp(listener) = bound.socket else { unreachable!() };
        assert_eq!(sockopt::tcp_user_timeout(&listener).unwrap(), 900_000);
    }

    #[test]
    fn a_unix_socket_is_named_and_its_file_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let bound = from_unix(listener, "http").unwrap();
        assert_eq!(bound.url, format!("unix:{}", path.display()));
        drop(bound);
        assert!(path.exists());

        let abstract_name = SocketAddr::from_abstract_name(b"rns\x01").unwrap();
        assert_eq!(unix_url(&abstract_name), "unix:@rns\\x01");
    }

    #[test]
    fn unusable_sockets_say_why() {
        let dir = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(dir.path().join("s")).unwrap();
        assert!(from_unix(unix, "tls").unwrap_err().to_string().contains("TLS"));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(must_listen(&connection).unwrap_err().to_string().contains("Accept=yes"));
    }
}
