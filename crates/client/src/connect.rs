//! The HTTP client underneath: connections and whom TLS trusts.

use std::{env, fs, path::PathBuf, time::Duration};

use reqwest::{Certificate, Client, redirect::Policy};

/// The longest time for making a connection.
const CACHE_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The time for which an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets up the client. Certificates that `NIX_SSL_CERT_FILE` names, or else `SSL_CERT_FILE`, and those of `ca_file`, are trusted
/// besides those of the system.
pub(crate) fn client(
    connections: usize,
    ca_file: Option<PathBuf>,
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
    let of_environment = ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"].into_iter().find_map(env::var_os);
    let of_environment = of_environment.map(PathBuf::from);
    for file in of_environment.into_iter().chain(ca_file) {
        if let Ok(pem) = fs::read(&file)
            && let Ok(certificates) = Certificate::from_pem_bundle(&pem)
        {
            builder = builder.tls_certs_merge(certificates);
        }
    }
    builder.build()
}
