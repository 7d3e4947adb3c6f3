//! The HTTP client underneath: connections and whom TLS trusts.

use std::time::Duration;

use reqwest::{Certificate, Client, redirect::Policy};

/// The longest time for making a connection.
const CACHE_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The time for which an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets up the client. `authorities` are trusted instead of those of the system.
pub(crate) fn client(
    connections: usize,
    authorities: Option<Vec<Certificate>>,
) -> Result<Client, reqwest::Error> {
    // The TLS of the HTTP client has no cryptography of its own; a second call changes nothing.
    _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(CACHE_CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(connections)
        .tcp_nodelay(true)
        // Uploads are sent again to where a redirect leads, and credentials are not: see `send`.
        .redirect(Policy::none())
        .user_agent(concat!("rust-nix-serve/", env!("CARGO_PKG_VERSION")));
    if let Some(authorities) = authorities {
        builder = builder.tls_certs_only(authorities);
    }
    builder.build()
}
