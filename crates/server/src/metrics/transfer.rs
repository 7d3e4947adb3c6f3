//! Downloads and connections that are counted while they last.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge};
use rns_cache::CacheError;

use super::kind::{AbortCause, Kind};

/// The counters of downloads. Clones count into the same.
#[derive(Clone, Debug)]
pub(super) struct DownloadCounters {
    /// Bytes of bodies handed to the network, by [`Kind`].
    pub(super) bytes: Arc<[IntCounter; Kind::ALL.len()]>,
    /// Downloads that ended early, by [`AbortCause`].
    pub(super) aborted: Arc<[IntCounter; AbortCause::ALL.len()]>,
    pub(super) in_flight: IntGauge,
}

impl DownloadCounters {
    pub(super) fn add_bytes(&self, kind: Kind, bytes: usize) {
        if let Some(counter) = self.bytes.get(kind.index()) {
            counter.inc_by(bytes as u64);
        }
    }
}

/// A download that is running. Dropped before [`complete`](Self::complete) or
/// [`abort`](Self::abort), it counts as one whose client went away.
#[derive(Debug)]
pub(crate) struct Transfer {
    counters: DownloadCounters,
    kind: Kind,
    sent: u64,
    ended: bool,
}

impl Transfer {
    pub(super) fn start(counters: DownloadCounters, kind: Kind) -> Self {
        counters.in_flight.inc();
        Self { counters, kind, sent: 0, ended: false }
    }

    /// Counts bytes handed to the network.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.counters.add_bytes(self.kind, bytes);
    }

    /// The last byte was handed over.
    pub(crate) const fn complete(&mut self) {
        self.ended = true;
    }

    /// The download is broken off because the store failed. Tells the operator.
    pub(crate) fn abort(&mut self, error: &CacheError) {
        let cause = match error {
            CacheError::Damaged { .. } | CacheError::Invalid { .. } => AbortCause::Damaged,
            CacheError::Unavailable { .. } => AbortCause::Unavailable,
            CacheError::ShuttingDown => AbortCause::Stopping,
            CacheError::Gone { .. } | CacheError::Io { .. } => AbortCause::Read,
        };
        tracing::warn!(
            kind = self.kind.label(),
            sent_bytes = self.sent,
            "a download was broken off: {error}"
        );
        self.end(cause);
    }

    fn end(&mut self, cause: AbortCause) {
        if !self.ended {
            self.ended = true;
            if let Some(counter) = self.counters.aborted.get(cause.index()) {
                counter.inc();
            }
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.end(AbortCause::Client);
        self.counters.in_flight.dec();
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct ConnectionGauge(Option<IntGauge>);

impl ConnectionGauge {
    pub(super) fn open(gauge: Option<&IntGauge>) -> Self {
        gauge.inspect(|gauge| gauge.inc());
        Self(gauge.cloned())
    }
}

impl Drop for ConnectionGauge {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Metrics, Observed, Transport},
        *,
    };

    fn aborted(metrics: &Metrics, cause: AbortCause) -> bool {
        let series =
            format!("rust_nix_serve_downloads_aborted_total{{cause=\"{}\"}} 1\n", cause.label());
        metrics.render(&Observed::default()).contains(&series)
    }

    #[test]
    fn a_complete_download_is_no_abort() {
        let metrics = Metrics::new();
        let mut transfer = metrics.transfer(Kind::Nar);
        assert_eq!(metrics.downloads(), 1);
        transfer.sent(1000);
        transfer.complete();
        drop(transfer);
        assert_eq!(metrics.downloads(), 0);
        let text = metrics.render(&Observed::default());
        assert!(text.contains("rust_nix_serve_response_bytes_total{kind=\"nar\"} 1000\n"));
        assert!(AbortCause::ALL.iter().all(|cause| !aborted(&metrics, *cause)));
    }

    #[test]
    fn a_dropped_download_counts_as_a_client_that_left() {
        let metrics = Metrics::new();
        drop(metrics.transfer(Kind::Nar));
        assert!(aborted(&metrics, AbortCause::Client));
    }

    #[test]
    fn a_failed_download_counts_once_with_its_cause() {
        let metrics = Metrics::new();
        let mut transfer = metrics.transfer(Kind::Nar);
        transfer.abort(&CacheError::ShuttingDown);
        drop(transfer);
        assert!(aborted(&metrics, AbortCause::Stopping));
        assert!(!aborted(&metrics, AbortCause::Client));
    }

    #[test]
    fn connections_are_counted_while_they_are_open() {
        let metrics = Metrics::new();
        let one = metrics.connection(Transport::Tls);
        assert_eq!(metrics.connections(Transport::Tls), 1);
        assert_eq!(metrics.connections(Transport::Tcp), 0);
        drop(one);
        assert_eq!(metrics.connections(Transport::Tls), 0);
    }
}
