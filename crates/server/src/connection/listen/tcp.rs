//! TCP listeners and the options that their connections inherit.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    time::Duration,
};

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind as bind_socket, listen, socket_with, sockopt,
};

use super::{
    bound::{Bound, ListeningSocket, MAX_BACKLOG, Purpose},
    error::ListenError,
};

/// Time without a packet after which the kernel asks whether the peer is still there, and the time
/// between such questions.
const KEEPALIVE_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

pub(super) fn bind(
    addr: SocketAddr,
    tls: bool,
    only_v6: bool,
    stall: Duration,
) -> Result<Bound, ListenError> {
    let listener = open(addr, only_v6).map_err(|errno| ListenError::tcp(addr, errno))?;
    describe(listener, tls, stall)
        .map_err(|source| ListenError::Other { address: addr.to_string(), source })
}

fn open(addr: SocketAddr, only_v6: bool) -> rustix::io::Result<TcpListener> {
    let family = match addr {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Without it a restart fails for a minute while old connections are in TIME_WAIT.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if addr.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, only_v6)?;
    }
    bind_socket(&socket, &addr)?;
    listen(&socket, MAX_BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Sets the options of a listening socket and finds out its address.
pub(super) fn describe(listener: TcpListener, tls: bool, stall: Duration) -> io::Result<Bound> {
    tune(&listener, stall)?;
    let scheme = if tls { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr()?);
    Ok(Bound {
        socket: ListeningSocket::Tcp(listener),
        tls,
        purpose: Purpose::Clients,
        url,
        file: None,
    })
}

/// `TCP_USER_TIMEOUT` ends a connection whose peer acknowledges nothing for that long, be it gone
/// or be it there with a full receive buffer that it does not read. It knows about bytes, so a slow reader
/// that takes some is never cut, however slow.
fn tune(listener: impl AsFd, stall: Duration) -> io::Result<()> {
    let millis = u32::try_from(stall.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_nodelay(&listener, true)?;
    sockopt::set_socket_keepalive(&listener, true)?;
    sockopt::set_tcp_keepidle(&listener, KEEPALIVE_IDLE_TIMEOUT)?;
    sockopt::set_tcp_keepintvl(&listener, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_user_timeout(&listener, millis)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::TcpStream,
        time::Instant,
    };

    use super::*;

    fn listener(stall: Duration) -> TcpListener {
        let bound = bind("127.0.0.1:0".parse().unwrap(), false, true, stall).unwrap();
        match bound.socket {
            ListeningSocket::Tcp(listener) => listener,
            ListeningSocket::Unix(_) => unreachable!(),
        }
    }

    /// A client that does not read, and the server's end of its connection.
    fn connection(stall: Duration) -> (TcpStream, TcpStream) {
        let listener = listener(stall);
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn connections_inherit_the_options() {
        let (_client, server) = connection(Duration::from_secs(900));
        assert!(sockopt::tcp_nodelay(&server).unwrap());
        assert!(sockopt::socket_keepalive(&server).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&server).unwrap(), KEEPALIVE_IDLE_TIMEOUT);
        assert_eq!(sockopt::tcp_keepintvl(&server).unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_user_timeout(&server).unwrap(), 900_000);
    }

    #[test]
    fn a_reader_that_takes_nothing_is_cut_after_the_stall_time_and_not_before() {
        let stall = Duration::from_secs(2);
        let (_client, mut server) = connection(stall);
        let start = Instant::now();
        let err = loop {
            if let Err(err) = server.write_all(&[0; 65536]) {
                break err;
            }
        };
        assert_eq!(err.kind(), ErrorKind::TimedOut, "{err}");
        assert!(start.elapsed() >= stall, "{:?}", start.elapsed());
    }

    #[test]
    fn a_reader_that_takes_a_little_now_and_then_is_not_cut() {
        // A busy machine may hold up the reader for a second or two.
        let (mut client, mut server) = connection(Duration::from_secs(4));
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            for _ in 0..12 {
                std::thread::sleep(Duration::from_millis(500));
                client.read_exact(&mut buffer).unwrap();
            }
        });
        // More than the buffers of both ends hold, so that the writer waits for the reader.
        server.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        while !reader.is_finished() {
            match server.write(&[0; 65536]) {
                Err(err) if err.kind() == ErrorKind::TimedOut => panic!("cut off: {err}"),
                // Its buffers are full, or it has all it wanted and has left.
                _ => {}
            }
        }
        reader.join().unwrap();
    }

    #[test]
    fn both_families_take_the_same_port() {
        let Ok(v6) = open("[::]:0".parse().unwrap(), true) else {
            return; // a machine without IPv6
        };
        let port = v6.local_addr().unwrap().port();
        // Another program may have the port on IPv4; ours must not hold it.
        match open(SocketAddr::from(([0, 0, 0, 0], port)), true) {
            Ok(_) => {}
            Err(err) => assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "{err}"),
        }
    }

    #[test]
    fn a_taken_address_names_itself_and_the_command_that_finds_who_has_it() {
        let first = listener(Duration::from_secs(900));
        let addr = first.local_addr().unwrap();
        let text = bind(addr, false, true, Duration::from_secs(900)).unwrap_err().to_string();
        assert!(text.contains(&addr.to_string()), "{text}");
        assert!(text.contains("ss -ltnp"), "{text}");
    }
}
