//! IPv4 and IPv6, each for itself.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{proxy::ForwardProxy, subject::CacheSubject};
use crate::{Finding, FindingId, Outcome};

/// The longest time for a connection to one address.
const ADDRESS_CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// Addresses of a family that are tried.
const MAX_ADDRESSES: usize = 4;

/// The result for one family of addresses.
enum Family {
    /// The host has none of them.
    Absent,
    /// This machine has none of them, so that nothing can be said.
    NotHere,
    Works,
    Broken(String),
}

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    if let Some(proxy) = &cache.proxy {
        return through(proxy).await;
    }
    if let Some(error) = &cache.proxy_error {
        // Nix may not need the addresses, which the proxy may be the only one to reach.
        return Outcome::Unchecked(format!("{error}, and the cache is looked at without it"));
    }
    let (host, port) = match (cache.base.host_str(), cache.base.port_or_known_default()) {
        (Some(host), Some(port)) => (host.trim_matches(['[', ']']), port),
        _ => return Outcome::NotApplicable,
    };
    let addresses: Vec<SocketAddr> = match lookup_host((host, port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return Outcome::wrong(Finding::new(
                FindingId::NameUnresolved,
                format!("{host} has no address: {error}"),
                format!("getent ahosts {host}   # until it prints the address of the cache"),
            ));
        }
    };
    let (v4, v6) = tokio::join!(
        family(addresses.iter().filter(|address| address.is_ipv4())),
        family(addresses.iter().filter(|address| address.is_ipv6())),
    );
    match (v4, v6) {
        (Family::Broken(why), Family::Works) => {
            broken(FindingId::Ipv4Broken, "IPv4", "A", host, &why)
        }
        (Family::Works, Family::Broken(why)) => {
            broken(FindingId::Ipv6Broken, "IPv6", "AAAA", host, &why)
        }
        (Family::Works, Family::Works) => Outcome::Sound("IPv4 and IPv6 answer".to_owned()),
        (Family::Works, _) => Outcome::Sound("IPv4 answers; no IPv6".to_owned()),
        (_, Family::Works) => Outcome::Sound("IPv6 answers; no IPv4".to_owned()),
        (Family::Broken(why), _) | (_, Family::Broken(why)) => Outcome::wrong(Finding::new(
            FindingId::Unreachable,
            format!("nothing answers at {host}, port {port}: {why}"),
            format!("curl -v {}nix-cache-info   # on the server first, then from here", cache.base),
        )),
        (Family::Absent | Family::NotHere, _) => {
            Outcome::Unchecked(format!("this machine has no way to the addresses of {host}"))
        }
    }
}

/// The outcome where the environment names a proxy: the addresses of the cache are its business.
async fn through(proxy: &ForwardProxy) -> Outcome {
    let why = match timeout(ADDRESS_CONNECT_TIMEOUT, TcpStream::connect(proxy.address())).await {
        Ok(Ok(_)) => return Outcome::Sound(format!("{proxy} answers")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    Outcome::wrong(Finding::new(
        FindingId::Unreachable,
        format!("{proxy} cannot be reached: {why}"),
        format!("unset {}   # or name a proxy that answers", proxy.variable),
    ))
}

fn broken(id: FindingId, family: &str, record: &str, host: &str, why: &str) -> Outcome {
    Outcome::wrong(Finding::new(
        id,
        format!("{host} has {family} addresses, and none answers: {why}"),
        format!("listen on {family} as well, or take the {record} record of {host} out of the DNS"),
    ))
}

async fn family(addresses: impl Iterator<Item = &SocketAddr>) -> Family {
    let mut result = Family::Absent;
    for address in addresses.take(MAX_ADDRESSES) {
        match timeout(ADDRESS_CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Family::Works,
            Ok(Err(error)) if is_of_this_machine(&error) => result = Family::NotHere,
            Ok(Err(error)) => result = Family::Broken(format!("{address}: {error}")),
            Err(_) => result = Family::Broken(format!("{address}: no answer")),
        }
    }
    result
}

fn is_of_this_machine(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkUnreachable};
    matches!(error.kind(), NetworkUnreachable | AddrNotAvailable)
}
