//! The values of `--store`: a directory, or one of Nix's addresses for a store on this machine.

use std::path::PathBuf;

/// The local store that a store address names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreAddress {
    /// The directory below which the store lives; None for the machine's own.
    pub(crate) root: Option<PathBuf>,
    /// The daemon's socket, where the address names it.
    pub(crate) daemon_socket: Option<String>,
}

/// Why a text is no store that this program can read from disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreAddressError {
    #[error("the store address is empty")]
    Empty,
    #[error("`{0}` is not a store on this machine's disk")]
    NotLocal(String),
    #[error("the root in a store address begins with /")]
    RelativeRoot,
    #[error("a store address has no parameter `{0}` here")]
    UnknownParameter(String),
}

/// Reads a store address.
///
/// # Errors
///
/// When the address names no store on this machine's disk.
pub(crate) fn parse(text: &str) -> Result<StoreAddress, StoreAddressError> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let mut store = StoreAddress::default();
    match place {
        "auto" | "daemon" | "local" | "local://" | "unix://" => {}
        _ if place.starts_with("unix:///") => {
            store.daemon_socket = place.strip_prefix("unix://").map(str::to_owned);
        }
        _ if place.starts_with("local:///") => {
            store.root = place.strip_prefix("local://").map(PathBuf::from);
        }
        "" => return Err(StoreAddressError::Empty),
        _ if place.contains("://") => {
            return Err(StoreAddressError::NotLocal(text.to_owned()));
        }
        _ => store.root = Some(place.into()),
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("root", root)) if root.starts_with('/') => store.root = Some(decode(root).into()),
            Some(("root", _)) => return Err(StoreAddressError::RelativeRoot),
            // Only how Nix opens it; this program never writes.
            Some(("read-only" | "require-sigs" | "trusted", _)) => {}
            _ => return Err(StoreAddressError::UnknownParameter(parameter.to_owned())),
        }
    }
    Ok(store)
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || ahead.next().and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Option<String> {
        let root = parse(text).unwrap().root;
        root.map(|root| root.display().to_string())
    }

    #[test]
    fn nix_addresses_of_local_stores_are_read() {
        assert_eq!(root("/mnt"), Some("/mnt".into()));
        assert_eq!(root("chroot"), Some("chroot".into()));
        assert_eq!(root("local?root=/mnt%20x&read-only=true"), Some("/mnt x".into()));
        assert_eq!(root("local:///mnt"), Some("/mnt".into()));
        assert_eq!(root("auto"), None);
        assert_eq!(root("daemon"), None);
        let socket = parse("unix:///run/daemon.sock").unwrap().daemon_socket;
        assert_eq!(socket.as_deref(), Some("/run/daemon.sock"));
    }

    #[test]
    fn other_stores_are_refused() {
        for text in [
            "",
            "https://cache.nixos.org",
            "ssh-ng://host",
            "local?root=x",
            "local?state=/x",
            "s3://b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
