//! Ports of servers that are stopped and come back.

use std::{
    collections::hash_map::RandomState,
    fs,
    hash::{BuildHasher as _, Hasher as _},
    net::TcpListener,
    ops::Range,
};

/// The lowest port that is taken.
const MIN_PORT: u16 = 10_000;

/// The first port that Linux gives away by itself, where it does not say another one.
const FIRST_EPHEMERAL_PORT: u16 = 32_768;

/// A free port of 127.0.0.1 that the kernel gives to no connection by itself: a server that is stopped finds it free when it
/// comes back.
///
/// # Panics
/// When none is found.
#[must_use]
pub fn lasting_port() -> u16 {
    let ports = ports();
    let port = || {
        let number = RandomState::new().build_hasher().finish();
        ports.start + (number % ports.len() as u64) as u16
    };
    let mut candidates = std::iter::repeat_with(port).take(1000);
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn ports() -> Range<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|port| port.parse().ok());
    match first.unwrap_or(FIRST_EPHEMERAL_PORT) {
        first if first > MIN_PORT + 1000 => MIN_PORT..first,
        // The kernel may give any port away.
        _ => MIN_PORT..u16::MAX,
    }
}
