//! What is known of a connection, for those who answer its requests.

use std::{cell::OnceCell, net::SocketAddr, sync::Arc};

use crate::{
    auth::ConnectionCertificate,
    connection::{listen::Purpose, open::Activity},
    router::request_parts::RequestParts,
};

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct OfConnection {
    /// Who connects to its listener.
    pub(crate) purpose: Purpose,
    /// Whether it has TLS.
    pub(crate) is_tls: bool,
    /// The address at the other end; a unix socket has none.
    pub(crate) peer: Option<SocketAddr>,
    /// The certificate of the client, where it has shown one.
    pub(crate) certificate: OnceCell<ConnectionCertificate>,
    /// What it does.
    pub(crate) activity: Arc<Activity>,
}

/// Whether a request came in by a listener of this purpose.
pub(crate) fn is_for(request: &impl RequestParts, purpose: Purpose) -> bool {
    request.of_connection().is_some_and(|of| of.purpose == purpose)
}

/// Whether the connection of a request has TLS.
pub(crate) fn is_tls(request: &impl RequestParts) -> bool {
    request.of_connection().is_some_and(|of| of.is_tls)
}
