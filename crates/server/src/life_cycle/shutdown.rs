//! The end of a server: running downloads finish, up to a limit.

use std::time::{Duration, Instant};

use actix_web::dev::Server;

use crate::{
    life_cycle::{signals::Signals, state::ServerState, systemd},
    metrics::{Metrics, Transport},
};

/// HTTP/2 clients keep their connections open, and the library does not tell them to leave. When
/// nothing has been downloaded for this long, their answers have arrived.
const QUIET_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked whether all is done.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Accepts nothing more, and returns when all downloads have ended, when the configured time is
/// over, or when a second signal comes. Dropping the server closes the rest.
pub(crate) async fn finish(mut server: Server, state: &ServerState, signals: &mut Signals) {
    let (metrics, grace) = (&state.metrics, state.config.shutdown_grace);
    tracing::info!(
        downloads = metrics.downloads(),
        "stopping: running downloads have {grace:?}; a second signal ends them"
    );
    systemd::stopping("waiting for running downloads", grace + QUIET_TIMEOUT);
    // The answer comes when the workers have ended, and the server itself tells that as well.
    drop(server.handle().stop(true));
    let mut look = tokio::time::interval(DRAIN_POLL_INTERVAL);
    let mut leaving = Leaving::new();
    let deadline = tokio::time::sleep(grace);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            _ = &mut server => break,
            _ = look.tick() => if leaving.all_gone(metrics) { break },
            () = signals.stop() => return report_cut(metrics, "a second signal came"),
            () = &mut deadline => return report_cut(metrics, "the time for them is over"),
        }
    }
    tracing::info!("stopped");
}

fn report_cut(metrics: &Metrics, why: &str) {
    match metrics.downloads() {
        0 => tracing::info!("stopped with connections still open: {why}"),
        downloads => tracing::warn!(downloads, "stopped, and cut off downloads: {why}"),
    }
}

struct Leaving {
    busy: Instant,
}

impl Leaving {
    fn new() -> Self {
        Self { busy: Instant::now() }
    }

    fn all_gone(&mut self, metrics: &Metrics) -> bool {
        let open = |transport| metrics.connections(transport) > 0;
        // Over HTTP/1 a connection closes by itself when its last answer has left.
        if metrics.downloads() > 0 || open(Transport::Tcp) || open(Transport::Unix) {
            self.busy = Instant::now();
        }
        !Transport::ALL.into_iter().any(open) || self.busy.elapsed() >= QUIET_TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Kind;

    #[test]
    fn ends_at_once_when_nobody_is_there() {
        assert!(Leaving::new().all_gone(&Metrics::new()));
    }

    #[test]
    fn waits_for_downloads_and_plain_connections_however_long() {
        let metrics = Metrics::new();
        let mut leaving = Leaving { busy: Instant::now() - 2 * QUIET_TIMEOUT };
        let tls = metrics.connection(Transport::Tls);
        let download = metrics.transfer(Kind::Nar);
        assert!(!leaving.all_gone(&metrics));
        drop(download);
        assert!(!leaving.all_gone(&metrics), "its last bytes may be on their way");
        leaving.busy -= QUIET_TIMEOUT;
        assert!(leaving.all_gone(&metrics), "only an idle HTTP/2 connection is left");

        let plain = metrics.connection(Transport::Tcp);
        assert!(!leaving.all_gone(&metrics));
        drop((plain, tls));
        assert!(leaving.all_gone(&metrics));
    }
}
