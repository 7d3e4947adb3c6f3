//! The words of `listen`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

/// One place to listen on, before the settings of other keys are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp { addr: SocketAddr, tls: bool },
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { addr, tls: false } => write!(f, "{addr}"),
            Self::Tcp { addr, tls: true } => write!(f, "tls://{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListenAddressError {
    #[error("`{0}` names no socket: its path begins with /")]
    SocketPath(String),
    #[error("`{text}` begins with {scheme}://, and only tls:// is possible")]
    UnknownScheme { text: String, scheme: String },
    #[error("`{0}` is not an address to listen on")]
    NotAnAddress(String),
}

/// The accepted spellings, for hints.
pub(crate) const ADDRESS_HINT: &str = "expected 127.0.0.1:5000, [::1]:5000, localhost:5000, *:5000, tls://ADDRESS:PORT or unix:/path/of/socket";

/// Reads one entry; `localhost` and `*` are two addresses.
///
/// # Errors
///
/// Says why the text is no address.
pub(crate) fn parse(text: &str) -> Result<Vec<Address>, ListenAddressError> {
    let unix = text.strip_prefix("unix:").map(|path| {
        // unix:///path is how URLs write it.
        path.strip_prefix("//").unwrap_or(path)
    });
    if let Some(path) = unix.or_else(|| text.starts_with('/').then_some(text)) {
        return match path.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => Ok(vec![Address::Unix(path.into())]),
            _ => Err(ListenAddressError::SocketPath(text.to_owned())),
        };
    }
    if let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| *scheme != "tls") {
        let (text, scheme) = (text.to_owned(), scheme.to_owned());
        return Err(ListenAddressError::UnknownScheme { text, scheme });
    }
    let (plain, tls) = text.strip_prefix("tls://").map_or((text, false), |plain| (plain, true));
    let addresses = tcp(plain).ok_or_else(|| ListenAddressError::NotAnAddress(text.to_owned()))?;
    Ok(addresses.into_iter().map(|addr| Address::Tcp { addr, tls }).collect())
}

fn tcp(text: &str) -> Option<Vec<SocketAddr>> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let with_port = |ip: IpAddr| SocketAddr::new(ip, port);
    Some(match host {
        "localhost" => {
            vec![with_port(Ipv4Addr::LOCALHOST.into()), with_port(Ipv6Addr::LOCALHOST.into())]
        }
        "" | "*" => {
            vec![with_port(Ipv4Addr::UNSPECIFIED.into()), with_port(Ipv6Addr::UNSPECIFIED.into())]
        }
        // The words of nix-serve-ng's --host.
        "*4" | "!4" => vec![with_port(Ipv4Addr::UNSPECIFIED.into())],
        "*6" | "!6" => vec![with_port(Ipv6Addr::UNSPECIFIED.into())],
        // The standard library wants brackets around IPv6, and so do we: `::1:5000` is ambiguous.
        _ => vec![text.parse().ok()?],
    })
}

/// The address that a machine without IPv6 is reached at when it lacks this one: the same loopback, or the same
/// every-address, and the same port.
pub(crate) fn twin(addr: SocketAddr) -> Option<SocketAddr> {
    match addr.ip() {
        IpAddr::V6(Ipv6Addr::LOCALHOST) => {
            Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), addr.port()))
        }
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            Some(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port()))
        }
        _ => None,
    }
}

/// A host, as in `--host`, and a port as one entry of `listen`.
pub(crate) fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// An entry of `listen` with another port, or as it was when it has none.
pub(crate) fn with_port(entry: &str, port: u16) -> String {
    let tcp =
        parse(entry).is_ok_and(|addresses| matches!(addresses.first(), Some(Address::Tcp { .. })));
    match entry.rsplit_once(':') {
        Some((host, _)) if tcp => format!("{host}:{port}"),
        _ => entry.to_owned(),
    }
}

/// The port of an entry of `listen`.
pub(crate) fn port(entry: &str) -> Option<u16> {
    match parse(entry).ok()?.first()? {
        Address::Tcp { addr, .. } => Some(addr.port()),
        Address::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Address {
        Address::Tcp { addr: text.parse().unwrap(), tls: false }
    }

    #[test]
    fn every_spelling_is_read() {
        assert_eq!(parse("127.0.0.1:5000"), Ok(vec![plain("127.0.0.1:5000")]));
        assert_eq!(parse("[::1]:0"), Ok(vec![plain("[::1]:0")]));
        assert_eq!(parse("localhost:80"), Ok(vec![plain("127.0.0.1:80"), plain("[::1]:80")]));
        assert_eq!(parse("*4:80"), Ok(vec![plain("0.0.0.0:80")]));
        assert_eq!(parse("*:80"), Ok(vec![plain("0.0.0.0:80"), plain("[::]:80")]));
        assert_eq!(parse(":80"), parse("*:80"));
        let secure = Address::Tcp { addr: "0.0.0.0:5443".parse().unwrap(), tls: true };
        assert_eq!(parse("tls://0.0.0.0:5443"), Ok(vec![secure]));
        for text in ["unix:/run/a.sock", "unix:///run/a.sock", "/run/a.sock"] {
            assert_eq!(parse(text), Ok(vec![Address::Unix("/run/a.sock".into())]), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let bad = [
            "",
            "5000",
            "127.0.0.1",
            "127.0.0.1:",
            "::1:5000",
            "127.0.0.1:70000",
            "cache.example.org:80",
            "https://127.0.0.1:80",
            "unix:",
            "unix:/",
            "unix:relative",
            "tls://",
            "tls://unix:/a",
        ];
        for text in bad {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn hosts_and_ports_are_joined_and_replaced() {
        assert_eq!(join("::1", 80), "[::1]:80");
        assert_eq!(join("[::1]", 80), "[::1]:80");
        assert_eq!(join("0.0.0.0", 80), "0.0.0.0:80");
        assert_eq!(with_port("tls://[::1]:5000", 1), "tls://[::1]:1");
        assert_eq!(with_port("unix:/a:5000", 1), "unix:/a:5000");
        assert_eq!(port("localhost:7"), Some(7));
        assert_eq!(port("unix:/a"), None);
    }
}
