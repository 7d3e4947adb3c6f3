//! What becomes of those who show a wrong credential: counted, told to the operator, and answered late.

use std::{
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use actix_web::HttpRequest;
use tokio::sync::Semaphore;

use crate::{
    access::{Holder, Permission},
    config::DoorConfig,
    metrics::Metrics,
    nginx,
    views::View,
};

/// Answers that are held back at the same time; more are given at once.
const WAITING: usize = 4096;

/// Lines that the log gets in one burst, and one more each so often.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_secs(2);

/// The one door of all caches.
pub(crate) struct Door {
    config: DoorConfig,
    metrics: Metrics,
    waiting: Semaphore,
    lines: Mutex<Lines>,
}

/// How many lines may still be logged.
struct Lines {
    left: u32,
    since: Instant,
    swallowed: u64,
}

impl Door {
    pub(crate) fn new(config: DoorConfig, metrics: Metrics) -> Self {
        Self {
            config,
            metrics,
            waiting: Semaphore::new(WAITING),
            lines: Mutex::new(Lines { left: BURST, since: Instant::now(), swallowed: 0 }),
        }
    }

    /// Notes a wrong credential.
    pub(crate) fn failed(&self, request: &HttpRequest, view: &View, why: &str) {
        self.metrics.refused();
        self.log(request, view, &format!("wrong credential: {why}"));
    }

    /// Notes that somebody known asks for what is not allowed.
    pub(crate) fn forbidden(
        &self,
        request: &HttpRequest,
        view: &View,
        holder: &Holder,
        needed: Permission,
    ) {
        let (name, needed) = (&holder.name, needed.name());
        self.log(request, view, &format!("{name} does not allow what was asked for: {needed}"));
    }

    fn log(&self, request: &HttpRequest, view: &View, what: &str) {
        let Some(swallowed) = self.line() else { return };
        let address =
            self.client(request).map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
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
        let is_trusted =
            |ip: &IpAddr| self.config.trusted_proxies.iter().any(|net| net.contains(ip));
        let is_nginx = request.conn_data::<nginx::Behind>().is_some();
        if !is_nginx && !peer.as_ref().is_some_and(is_trusted) {
            return peer;
        }
        // Each proxy appends the address it was connected from: the last one that is no proxy is the client.
        let mut client = peer;
        let headers = request.headers().get_all("x-forwarded-for");
        let said =
            headers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let said: Vec<&str> = said.map(str::trim).collect();
        for text in said.iter().rev() {
            let Ok(ip) = text.parse::<IpAddr>() else { break };
            client = Some(ip.to_canonical());
            if !is_trusted(&ip) {
                break;
            }
        }
        client
    }

    /// Whether one more line may be logged, and how many were not since the last one.
    fn line(&self) -> Option<u64> {
        let mut lines = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let more = lines.since.elapsed().as_millis() / REFILL.as_millis();
        if more > 0 {
            lines.left = lines.left.saturating_add(u32::try_from(more).unwrap_or(BURST)).min(BURST);
            lines.since = Instant::now();
        }
        if lines.left == 0 {
            lines.swallowed += 1;
            return None;
        }
        lines.left -= 1;
        Some(std::mem::take(&mut lines.swallowed))
    }
}
