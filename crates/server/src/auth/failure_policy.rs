//! What becomes of those who show a wrong credential: counted, told to the operator, and answered late.

use std::{net::IpAddr, time::Instant};

use actix_web::HttpRequest;
use tokio::sync::Semaphore;

use super::{forwarded, log_budget::LogBudget};
use crate::{
    auth::{Permission, Principal},
    caches::registry::Cache,
    config::FailurePolicyConfig,
    connection::{limits::network, via_nginx},
    metrics::Metrics,
};

/// Answers that are held back at the same time; more are given at once.
const WAITING: usize = 4096;

/// The one failure_policy of all caches.
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
            waiting: Semaphore::new(WAITING),
            log_budget: LogBudget::new(Instant::now()),
        }
    }

    /// Notes a wrong credential.
    pub(crate) fn failed(&self, request: &HttpRequest, view: &Cache, why: &str) {
        self.metrics.refused();
        self.log(request, view, &format!("wrong credential: {why}"));
    }

    /// Notes that somebody known asks for what is not allowed.
    pub(crate) fn forbidden(
        &self,
        request: &HttpRequest,
        view: &Cache,
        holder: &Principal,
        needed: Permission,
    ) {
        let (name, needed) = (&holder.name, needed.name());
        self.log(request, view, &format!("{name} does not allow what was asked for: {needed}"));
    }

    fn log(&self, request: &HttpRequest, view: &Cache, what: &str) {
        let client = self.client(request);
        let Some(swallowed) = self.log_budget.take(client.map(network), Instant::now()) else {
            return;
        };
        let address = client.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
        if swallowed > 0 {
            tracing::warn!("{swallowed} more refusals were not logged");
        }
        tracing::warn!(%address, "{}{what}", view.label());
    }

    /// Holds the caller back, unless too many are waiting already.
    pub(crate) async fn delay(&self) {
        if let Ok(_permit) = self.waiting.try_acquire() {
            tokio::time::sleep(self.config.failure_delay).await;
        }
    }

    /// The address of the client: what a trusted proxy says, otherwise that of the connection. `None` on a unix
    /// socket that is nobody's.
    pub(crate) fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let is_nginx = request.conn_data::<via_nginx::ViaNginx>().is_some();
        if is_nginx || peer.is_some_and(|peer| self.config.trusts(peer)) {
            forwarded::client(peer, request.headers(), &self.config)
        } else {
            peer
        }
    }
}
