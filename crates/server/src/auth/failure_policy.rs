//! Requests with a wrong credential: counted, told to the operator, and answered late.

use std::{net::IpAddr, time::Instant};

use rustls::CertificateError;
use tokio::sync::Semaphore;

use super::{Access, Permission, Principal, forwarded, log_budget::LogBudget};
use crate::{
    config::FailurePolicyConfig,
    connection::{client_network::client_network, request_parts::RequestParts},
    metrics::Metrics,
};

/// Answers that are held back at the same time; more are given at once.
const MAX_DELAYED: usize = 4096;

/// The failure policy of all caches.
pub(crate) struct FailurePolicy {
    config: FailurePolicyConfig,
    metrics: Metrics,
    waiting: Semaphore,
    log_budget: LogBudget,
}

impl FailurePolicy {
    pub(crate) fn new(config: FailurePolicyConfig, metrics: Metrics) -> Self {
        Self {
            config,
            metrics,
            waiting: Semaphore::new(MAX_DELAYED),
            log_budget: LogBudget::new(Instant::now()),
        }
    }

    /// Notes a wrong credential.
    pub(crate) fn failed(&self, request: &impl RequestParts, access: &Access, why: &str) {
        self.metrics.refused();
        self.log(request, access, &format!("wrong credential: {why}"));
    }

    /// Notes that a known client is not allowed a request.
    pub(crate) fn forbidden(
        &self,
        request: &impl RequestParts,
        access: &Access,
        holder: &Principal,
        needed: Permission,
    ) {
        let (name, needed) = (&holder.name, needed.name());
        self.log(request, access, &format!("{name} lacks the permission: {needed}"));
    }

    /// Notes that a client was sent away in the handshake for the certificate that it has shown.
    pub(crate) fn bad_certificate(&self, client: Option<IpAddr>, why: &CertificateError) {
        self.metrics.refused();
        self.log_about(client, &format!("refused the certificate of a client: {}", reason(why)));
    }

    fn log(&self, request: &impl RequestParts, access: &Access, what: &str) {
        self.log_about(self.client(request), &format!("{}{what}", access.label()));
    }

    fn log_about(&self, client: Option<IpAddr>, what: &str) {
        let Some(swallowed) = self.log_budget.take(client.map(client_network), Instant::now())
        else {
            return;
        };
        let address = client.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
        if swallowed > 0 {
            tracing::warn!("{swallowed} more refusals were not logged");
        }
        tracing::warn!(%address, "{what}");
    }

    /// Holds the caller back, unless too many are waiting already.
    pub(crate) async fn delay(&self) {
        if let Ok(_permit) = self.waiting.try_acquire() {
            tokio::time::sleep(self.config.failure_delay).await;
        }
    }

    /// The network that a client is counted for.
    pub(crate) fn network(&self, request: &impl RequestParts) -> Option<IpAddr> {
        self.client(request).map(client_network)
    }

    /// The address of the client: by a trusted proxy, otherwise that of the connection. `None` on a unix socket without a
    /// proxy.
    pub(crate) fn client(&self, request: &impl RequestParts) -> Option<IpAddr> {
        let peer = request.head().peer_addr.map(|peer| peer.ip().to_canonical());
        let is_nginx = request.is_from_nginx();
        if is_nginx || peer.is_some_and(|peer| self.config.trusts(peer)) {
            forwarded::client(peer, &request.head().headers, &self.config)
        } else {
            peer
        }
    }
}

/// The problem of a certificate, and its remedy.
fn reason(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "it is signed by none of those in the file `tls.client_ca`".to_owned()
        }
        // The library has no name for it that could be matched.
        CertificateError::Other(other)
            if format!("{other:?}").contains("UnsupportedCertVersion") =>
        {
            "it is of X.509 version 1; make one of version 3 (with any extension, as \
             `extendedKeyUsage=clientAuth`)"
                .to_owned()
        }
        other => other.to_string(),
    }
}
