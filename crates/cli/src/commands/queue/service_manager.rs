//! Messages of the queue's daemon to systemd. Without one nothing is sent.

use std::{
    convert::Infallible,
    sync::Mutex,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

/// The age of a sign of life from which on it counts no more.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// The last sign of life of a part that must not stop silently.
#[derive(Debug)]
pub(super) struct Alive(Mutex<Option<Instant>>);

impl Alive {
    /// For a part that is there or not.
    pub(super) fn new(is_expected: bool) -> Self {
        Self(Mutex::new(is_expected.then(Instant::now)))
    }

    /// The part is alive now.
    pub(super) fn note(&self) {
        *self.lock() = Some(Instant::now());
    }

    fn is_fresh(&self) -> bool {
        self.lock().is_none_or(|last| last.elapsed() < MAX_SILENCE)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The daemon works from now on.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// One line for `systemctl status`.
pub(super) fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// Tells systemd twice in the time that it allows that all is well; when it is not, systemd restarts the daemon.
pub(super) async fn watchdog(alive: &Alive) -> Infallible {
    let Some(allowed) = sd_notify::watchdog_enabled().filter(|allowed| !allowed.is_zero()) else {
        return std::future::pending().await;
    };
    loop {
        if alive.is_fresh() {
            send(&[NotifyState::Watchdog]);
        } else {
            tracing::error!(
                "the store is not watched any more; systemd restarts this if it stays so"
            );
        }
        tokio::time::sleep(allowed / 2).await;
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        tracing::debug!(%err, "cannot reach the service manager");
    }
}
