//! Facts about a connection, for the answers to its requests.

use std::{cell::OnceCell, net::SocketAddr, sync::Arc};

use tokio::sync::Notify;

use crate::{
    auth::ConnectionCertificate,
    connection::{listen::Purpose, open::Activity},
};

/// Facts about a connection.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// Who connects to its listener.
    pub(crate) purpose: Purpose,
    /// Whether it has TLS.
    pub(crate) is_tls: bool,
    /// The address at the other end; a unix socket has none.
    pub(crate) peer: Option<SocketAddr>,
    /// The certificate of the client, where it has shown one.
    pub(crate) certificate: OnceCell<ConnectionCertificate>,
    /// Its state, for timeouts.
    pub(crate) activity: Arc<Activity>,
    /// Told when the client was allowed to upload something.
    pub(crate) uploads: Notify,
}

impl ConnectionInfo {
    /// Facts about a connection whose client has shown no certificate.
    pub(crate) fn new(
        purpose: Purpose,
        is_tls: bool,
        peer: Option<SocketAddr>,
        activity: Arc<Activity>,
    ) -> Self {
        let (certificate, uploads) = (OnceCell::new(), Notify::new());
        Self { purpose, is_tls, peer, certificate, activity, uploads }
    }
}
