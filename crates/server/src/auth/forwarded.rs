//! Who a request comes from, when a proxy says so.

use std::net::IpAddr;

use actix_web::http::header::HeaderMap;

use crate::config::FailurePolicyConfig;

/// The client behind a proxy that is believed and has this address, if it has one.
///
/// Each proxy appends the address it was connected from: the last one that is no proxy is the client. Addresses
/// in front of that may have been sent by the client itself, readable or not.
pub(super) fn client(
    proxy: Option<IpAddr>,
    headers: &HeaderMap,
    config: &FailurePolicyConfig,
) -> Option<IpAddr> {
    let lines: Vec<&[u8]> =
        headers.get_all("x-forwarded-for").map(|line| line.as_bytes()).collect();
    let mut client = proxy;
    for said in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
        let said = std::str::from_utf8(said.trim_ascii()).ok();
        let Some(said) = said.and_then(|said| said.parse::<IpAddr>().ok()) else { break };
        client = Some(said.to_canonical());
        if !config.trusts(said) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    /// The client behind a proxy on a unix socket that sends these lines.
    fn of(lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line).unwrap();
            headers.append(HeaderName::from_static("x-forwarded-for"), value);
        }
        let trusted_proxies =
            ["10.0.0.0/8", "::ffff:192.0.2.0/120"].map(|net| net.parse().unwrap());
        let config = FailurePolicyConfig {
            trusted_proxies: trusted_proxies.into(),
            ..FailurePolicyConfig::default()
        };
        client(None, &headers, &config).map_or_else(|| "unknown".to_owned(), |ip| ip.to_string())
    }

    #[test]
    fn what_a_client_sends_does_not_hide_what_its_proxy_appends() {
        assert_eq!(of(&[b"\xff, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(of(&[b"\xff", b"203.0.113.7"]), "203.0.113.7");
        assert_eq!(of(&[b"198.51.100.1, \xff, 203.0.113.7,10.1.2.3"]), "203.0.113.7");
        assert_eq!(of(&[b"198.51.100.1, \xff, 10.1.2.3"]), "10.1.2.3");
        assert_eq!(of(&[b"203.0.113.7, \xff"]), "unknown");
        assert_eq!(of(&[]), "unknown");
    }

    #[test]
    fn a_proxy_is_known_in_either_way_of_writing_its_address() {
        assert_eq!(of(&[b"203.0.113.7, ::ffff:10.1.2.3"]), "203.0.113.7");
        assert_eq!(of(&[b"203.0.113.7, ::ffff:192.0.2.1"]), "203.0.113.7");
        assert_eq!(of(&[b"203.0.113.7, ::ffff:198.51.100.1"]), "198.51.100.1");
    }
}
