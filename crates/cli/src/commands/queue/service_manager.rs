//! Messages of the queue's daemon to systemd. Without one nothing is sent.

use std::{convert::Infallible, time::Duration};

use rns_client::Liveness;
use sd_notify::NotifyState;

/// The longest silence of a watcher, which looks at the store each second.
const MAX_WATCHER_SILENCE: Duration = Duration::from_secs(30);

/// The work of the daemon that must not hang silently.
#[derive(Debug, Default)]
pub(super) struct DaemonWork {
    /// The watcher of the store.
    pub(super) watching: Liveness,
    /// A pass over the queue.
    pub(super) draining: Liveness,
}

impl DaemonWork {
    /// The work that hangs, in words. A pass may be silent for as long as systemd lets a daemon be.
    fn hanging(&self, allowed: Duration) -> Option<&'static str> {
        let is_over = |work: &Liveness, most| work.silence().is_some_and(|silence| silence > most);
        if is_over(&self.watching, MAX_WATCHER_SILENCE) {
            return Some("the store is not watched any more");
        }
        is_over(&self.draining, allowed).then_some("nothing of the queue moves any more")
    }
}

/// The daemon works from now on.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// One line for `systemctl status`. Another line would be another message.
pub(super) fn status(text: &str) {
    send(&[NotifyState::Status(&text.replace(char::is_control, " "))]);
}

/// Tells systemd twice in the time that it allows that all is well; when it is not, systemd restarts the daemon.
pub(super) async fn watchdog(work: &DaemonWork) -> Infallible {
    let Some(allowed) = sd_notify::watchdog_enabled().filter(|allowed| !allowed.is_zero()) else {
        return std::future::pending().await;
    };
    let mut told = None;
    loop {
        let hanging = work.hanging(allowed);
        match hanging {
            None => send(&[NotifyState::Watchdog]),
            Some(fault) if told != hanging => {
                tracing::error!("{fault}; systemd restarts this if it stays so");
            }
            Some(_) => {}
        }
        told = hanging;
        tokio::time::sleep(allowed / 2).await;
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        tracing::debug!(%err, "cannot reach the service manager");
    }
}
