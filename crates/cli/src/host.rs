//! The host name in a URL.

/// The host of a URL, without scheme, port and path.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_neither_scheme_nor_port_nor_path() {
        for (url, host) in [
            ("https://cache.example.org/team-a", "cache.example.org"),
            ("http://127.0.0.1:5000", "127.0.0.1"),
            ("http://[::1]:5000/", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
