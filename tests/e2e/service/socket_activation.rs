//! Sockets passed by a supervisor, as systemd does it.

use std::{
    net::TcpListener,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    path::PathBuf,
    process::Command,
    time::Duration,
};

use rns_testing::{Process, Scratch, Standard, http};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::support::{assert_refuses_to_start, is_installed, narinfo_of, server};

/// Starts the server with these sockets and names. `LISTEN_PID` is the value of `pid` in the shell: `$$`
/// is the server's own, since the shell becomes the server.
fn start(
    sockets: &[OwnedFd],
    names: &str,
    pid: &str,
    standard: &Standard,
    sections: &str,
) -> (Process, Scratch) {
    let builder = server().store(&standard.store).section(sections);
    let configuration = builder.configuration();
    let scratch = Scratch::new();
    let file = scratch.write("config.toml", configuration);
    let mut script = format!("export LISTEN_PID={pid} LISTEN_FDS={}\n", sockets.len());
    for (number, socket) in sockets.iter().enumerate() {
        fcntl_setfd(socket, FdFlags::empty()).unwrap();
        script += &format!("exec {}<&{}\n", number + 3, socket.as_raw_fd());
    }
    script += "exec \"$@\"\n";
    let binary = std::env::var_os("RUST_NIX_SERVE_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_rust-nix-serve").into(), PathBuf::from);
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash"]).arg(binary).args(["serve", "--config"]).arg(file);
    command.env("LISTEN_FDNAMES", names).env_remove("NOTIFY_SOCKET");
    (Process::start(&mut command), scratch)
}

/// The sockets that the server says it listens on.
fn announced(process: &mut Process, count: usize) -> Vec<String> {
    process.wait_for_lines(count, Duration::from_secs(20), |line| {
        let (_, url) = line.split_once("listening on ")?;
        url.split_whitespace().next().map(ToOwned::to_owned)
    })
}

/// Moves a socket out of the way of the numbers that the script uses.
fn high(socket: impl Into<OwnedFd>) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(socket.into(), 20).unwrap()
}

#[test]
fn passed_sockets_take_the_place_of_the_configured_ones() {
    if !is_installed("bash") {
        return;
    }
    let standard = Standard::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = TcpListener::bind("127.0.0.1:0").unwrap();
    let (tcp_address, tls_address) = (tcp.local_addr().unwrap(), tls.local_addr().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    let unix = UnixListener::bind(&path).unwrap();

    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls");
    let section = format!("[tls]\ncertificate = \"{data}/one.crt\"\nkey = \"{data}/one.key\"");
    let sockets = [high(tcp), high(unix), high(tls)];
    let (mut process, _scratch) = start(&sockets, "http:local:tls", "$$", &standard, &section);

    let mut urls = announced(&mut process, 3);
    urls.sort();
    let mut expected = vec![
        format!("http://{tcp_address}"),
        format!("https://{tls_address}"),
        format!("unix:{}", path.display()),
    ];
    expected.sort();
    assert_eq!(urls, expected);
    let request = http::Request::get(narinfo_of(&standard.tree));
    assert_eq!(http::Connection::tcp(tcp_address).send(&request).status(), 200);
    assert_eq!(http::Connection::unix(&path).send(&request).status(), 200);

    process.signal(rustix::process::Signal::TERM);
    assert!(process.wait(Duration::from_secs(20)).success());
    assert!(path.exists(), "the socket's file is its maker's");
}

#[test]
fn sockets_that_were_passed_to_another_process_are_left_alone() {
    if !is_installed("bash") {
        return;
    }
    let standard = Standard::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let (mut process, _scratch) = start(&[high(tcp)], "http", "1", &standard, "");
    let urls = announced(&mut process, 1);
    assert_ne!(urls, [format!("http://{address}")]);
}

#[test]
fn a_socket_that_does_not_listen_says_so() {
    if !is_installed("bash") {
        return;
    }
    let standard = Standard::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let (mut process, _scratch) = start(&[high(connection)], "http", "$$", &standard, "");
    assert_refuses_to_start(&mut process, "Accept=yes");
}

#[test]
fn a_socket_named_metrics_is_for_those_who_watch_and_leaves_the_configured_listeners() {
    if !is_installed("bash") {
        return;
    }
    let standard = Standard::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let section = "[access]\nanonymous = [\"read\"]";
    let (mut process, _scratch) = start(&[high(tcp)], "metrics", "$$", &standard, section);
    let urls = announced(&mut process, 1);
    assert_ne!(urls, [format!("http://{address}")]);
    let ask = |address, target: &str| {
        http::Connection::tcp(address).send(&http::Request::get(target)).status()
    };
    let cache = urls[0].strip_prefix("http://").unwrap().parse().unwrap();
    assert_eq!(ask(address, "/metrics"), 200);
    assert_eq!(ask(address, "/nix-cache-info"), 404);
    assert_eq!(ask(cache, "/metrics"), 401);
    assert_eq!(ask(cache, "/nix-cache-info"), 200);
}
