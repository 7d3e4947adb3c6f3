//! A push through the SOCKS proxy that the environment names, as curl takes it for Nix.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use rns_testing::{Standard, run};

use super::{PUSH_TIMEOUT, program};
use crate::{
    support::{full, narinfo_of},
    uploads::Pushable,
};

#[test]
fn a_socks_proxy_of_the_environment_is_used() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let proxy = start();
    // A name that only the proxy knows.
    let to = cache.url().replace("127.0.0.1", "cache.invalid");
    let root = standard.store.root().to_str().unwrap();
    let mut command = program(&["push", "--store", root, "--to", &to]);
    command.arg(full(&standard.top)).env("all_proxy", format!("socks5h://{proxy}"));
    run(&mut command, PUSH_TIMEOUT).success();
    assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 200);
}

/// Starts a proxy for which every name is this machine.
fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || _ = serve(client));
        }
    });
    address
}

fn serve(mut client: TcpStream) -> io::Result<()> {
    let mut few = [0; 4];
    // The ways to log in: there is none to choose but one.
    client.read_exact(&mut few[..2])?;
    let mut ways = vec![0; few[1].into()];
    client.read_exact(&mut ways)?;
    client.write_all(&[5, 0])?;
    // The request to connect to a name.
    client.read_exact(&mut few)?;
    assert_eq!(few, [5, 1, 0, 3]);
    client.read_exact(&mut few[..1])?;
    let mut name = vec![0; few[0].into()];
    client.read_exact(&mut name)?;
    assert_eq!(name, b"cache.invalid");
    client.read_exact(&mut few[..2])?;
    let mut server = TcpStream::connect(("127.0.0.1", u16::from_be_bytes([few[0], few[1]])))?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let (mut answers, mut asker) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || _ = io::copy(&mut answers, &mut asker));
    io::copy(&mut client, &mut server).map(|_| ())
}
