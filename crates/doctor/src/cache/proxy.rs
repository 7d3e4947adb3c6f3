//! The proxy that the environment names for a cache, chosen as curl chooses it for Nix.

use std::{env, fmt, io, net::IpAddr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ipnet::IpNet;
use rns_client::Credentials;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::{Host, Url};

/// The longest head of an answer of a proxy, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// The port of a proxy that is named without one, as for curl.
const DEFAULT_PORT: u16 = 1080;

/// The reason for which a proxy cannot be used. Its URL may hold a password, so it is in none of the texts.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// The variable names something else.
    #[error("{0} names no HTTP proxy")]
    NoProxy(&'static str),
    /// The proxy itself speaks TLS.
    #[error("{0} is no plain HTTP proxy")]
    NotPlain(String),
    /// The connection to it fails.
    #[error("{proxy}: {source}")]
    Connection {
        /// The proxy.
        proxy: String,
        /// The failure.
        source: io::Error,
    },
    /// The head of its answer has no end.
    #[error("{0} answers without an end")]
    Endless(String),
    /// It makes no connection.
    #[error("{proxy} answers with status {status}")]
    Refused {
        /// The proxy.
        proxy: String,
        /// Its status.
        status: String,
    },
}

/// A proxy. Shown without its credential.
#[derive(Clone)]
pub(super) struct ForwardProxy {
    url: Url,
    /// The variable that names it.
    pub(super) variable: &'static str,
}

impl ForwardProxy {
    /// The proxy of this process for a URL, if there is one.
    ///
    /// # Errors
    /// When the value of a variable is no proxy that can be used here.
    pub(super) fn for_url(url: &Url) -> Result<Option<Self>, ProxyError> {
        choose(url, |name| env::var(name).ok())
    }

    /// Its address with its credential, for the HTTP client.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Its host and port.
    pub(super) fn address(&self) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        (host, self.url.port_or_known_default().unwrap_or(DEFAULT_PORT))
    }

    /// A connection through it to a host.
    ///
    /// # Errors
    /// The reason for which there is none.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ProxyError> {
        if self.url.scheme() != "http" {
            return Err(ProxyError::NotPlain(self.to_string()));
        }
        let failed = |source| ProxyError::Connection { proxy: self.to_string(), source };
        let mut stream = TcpStream::connect(self.address()).await.map_err(failed)?;
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let credential = match Credentials::of_url(&self.url) {
            Some(Credentials::Password(login, password)) => {
                let pair = BASE64_STANDARD.encode(format!("{login}:{}", *password));
                format!("Proxy-Authorization: Basic {pair}\r\n")
            }
            _ => String::new(),
        };
        let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credential}\r\n");
        stream.write_all(head.as_bytes()).await.map_err(failed)?;
        let mut answer = Vec::new();
        // Byte by byte: the bytes behind it belong to the host.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() > MAX_HEAD_BYTES {
                return Err(ProxyError::Endless(self.to_string()));
            }
            answer.push(stream.read_u8().await.map_err(failed)?);
        }
        let line = String::from_utf8_lossy(&answer);
        match line.split(' ').nth(1) {
            Some("200") => Ok(stream),
            status => {
                let status = status.unwrap_or("none").to_owned();
                Err(ProxyError::Refused { proxy: self.to_string(), status })
            }
        }
    }
}

impl fmt::Display for ForwardProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.address();
        write!(f, "the proxy {host}:{port} of {}", self.variable)
    }
}

impl fmt::Debug for ForwardProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForwardProxy({self})")
    }
}

/// Chooses by these variables. `HTTP_PROXY` does not count: a web server sets it to a header of the client.
fn choose(
    url: &Url,
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<Option<ForwardProxy>, ProxyError> {
    let names: &[&'static str] = match url.scheme() {
        "http" => &["http_proxy", "all_proxy", "ALL_PROXY"],
        _ => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
    };
    // curl takes an empty variable for one that is not set.
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let named = names.iter().find_map(|name| Some((*name, variable(name)?)));
    let Some((name, value)) = named else { return Ok(None) };
    let exceptions = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
    if is_exception(url, &exceptions) {
        return Ok(None);
    }
    let value = if value.contains("://") { value } else { format!("http://{value}") };
    let proxy = Url::parse(&value).ok().filter(Url::has_host);
    match proxy {
        Some(proxy) if matches!(proxy.scheme(), "http" | "https") => {
            Ok(Some(ForwardProxy { url: proxy, variable: name }))
        }
        _ => Err(ProxyError::NoProxy(name)),
    }
}

/// Returns true if the host is one of the list, of a domain in it, or an address of a network in it.
fn is_exception(url: &Url, list: &str) -> bool {
    let mut entries = list.split([',', ' ']).map(|entry| entry.trim().to_ascii_lowercase());
    list == "*"
        || match url.host() {
            Some(Host::Domain(host)) => entries.any(|entry| is_of_domain(host, &entry)),
            Some(Host::Ipv4(host)) => entries.any(|entry| is_in_network(host.into(), &entry)),
            Some(Host::Ipv6(host)) => entries.any(|entry| is_in_network(host.into(), &entry)),
            None => false,
        }
}

fn is_of_domain(host: &str, entry: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), entry.trim_start_matches('.'));
    let is_below = || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    !domain.is_empty() && (host == domain || is_below())
}

/// The entry is an address or, as curl has it since 7.86, a network. One of all addresses is none for curl.
fn is_in_network(host: IpAddr, entry: &str) -> bool {
    let is_inside = |network: IpNet| network.prefix_len() > 0 && network.contains(&host);
    entry.parse() == Ok(host) || entry.parse().is_ok_and(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        choose(&Url::parse(url).unwrap(), get).unwrap().map(|proxy| proxy.to_string())
    }

    #[test]
    fn as_curl_chooses() {
        let both = [("http_proxy", "a:3128"), ("HTTPS_PROXY", "http://ci:secret@b:8080/")];
        let of_http = "the proxy a:3128 of http_proxy";
        assert_eq!(chosen("http://cache.example.org", &both).as_deref(), Some(of_http));
        let of_https = "the proxy b:8080 of HTTPS_PROXY";
        assert_eq!(chosen("https://cache.example.org", &both).as_deref(), Some(of_https));
        assert_eq!(chosen("http://h", &[("HTTP_PROXY", "a:1")]), None);
        assert!(chosen("http://h", &[("all_proxy", "http://a")]).is_some());
        let empty = [("https_proxy", ""), ("all_proxy", "a:1")];
        assert_eq!(chosen("https://h", &empty).as_deref(), Some("the proxy a:1 of all_proxy"));
        for exceptions in ["*", "example.org", ".example.org, x", "x cache.example.org"] {
            let variables = [("all_proxy", "a:1"), ("no_proxy", exceptions)];
            assert_eq!(chosen("https://cache.example.org", &variables), None, "{exceptions}");
            assert!(
                chosen("https://cacheexample.org", &variables).is_none() == (exceptions == "*")
            );
        }
    }

    #[test]
    fn addresses_are_exceptions_by_themselves_and_by_their_network() {
        for (url, exceptions, is_direct) in [
            ("http://10.1.2.3", "localhost,10.0.0.0/8", true),
            ("http://10.1.2.3", "10.1.2.3", true),
            ("http://11.1.2.3", "10.0.0.0/8", false),
            ("http://10.1.2.3", "0.0.0.0/0", false),
            ("http://10.1.2.3", "2.3", false),
            ("http://10.1.2.3", "x, *", false),
            ("http://[fd00::7]:5000", "10.0.0.0/8 fd00::/8", true),
            ("http://[fd00::7]", "fd00::7", true),
            ("http://[fe80::7]", "fd00::/8", false),
            ("http://cache.example.org", "10.0.0.0/8", false),
        ] {
            let variables = [("all_proxy", "a:1"), ("no_proxy", exceptions)];
            assert_eq!(chosen(url, &variables).is_none(), is_direct, "{url} {exceptions}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_told_without_its_password() {
        let url = Url::parse("http://h").unwrap();
        let refused = choose(&url, |_| Some("socks5://ci:secret@a:1".to_owned())).unwrap_err();
        assert_eq!(refused.to_string(), "http_proxy names no HTTP proxy");
    }
}
