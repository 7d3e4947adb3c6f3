//! Messages to the service manager, as `sd_notify(3)` and `sd_watchdog_enabled(3)` describe them.
//! Without one (`NOTIFY_SOCKET` is not set) nothing is sent.

use std::{convert::Infallible, time::Duration};

use sd_notify::NotifyState;

use crate::life_cycle::heartbeat::Heartbeats;

/// The workers note the time once a second: younger notes say nothing.
const MIN_WATCHDOG_INTERVAL: Duration = Duration::from_secs(2);

/// The server answers from now on, or has finished reloading.
pub(crate) fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] ends that. systemd wants the time with it, to
/// tell this reload from an earlier one (`Type=notify-reload`).
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(err) => tracing::debug!(%err, "no monotonic clock"),
    }
}

/// The server ends when its downloads have ended, within `grace`: the service manager shall wait at least so
/// long.
pub(crate) fn stopping(status: &str, grace: Duration) {
    let micros = u32::try_from(grace.as_micros()).unwrap_or(u32::MAX);
    send(&[
        NotifyState::Stopping,
        NotifyState::Status(status),
        NotifyState::ExtendTimeoutUsec(micros),
    ]);
}

/// One line for `systemctl status`.
pub(crate) fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// Tells the service manager twice in the time it allows that all workers are alive, as long as they
/// are; when they are not, it will restart the service.
pub(crate) async fn watchdog(heartbeats: &Heartbeats) -> Infallible {
    let Some(allowed) = sd_notify::watchdog_enabled().filter(|allowed| !allowed.is_zero()) else {
        return std::future::pending().await;
    };
    let interval = allowed / 2;
    loop {
        if heartbeats.alive(interval.max(MIN_WATCHDOG_INTERVAL)) {
            send(&[NotifyState::Watchdog]);
        } else {
            tracing::error!(
                "a worker thread does not answer; the watchdog of the service manager restarts the server if it stays so"
            );
        }
        tokio::time::sleep(interval).await;
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        tracing::debug!(%err, "cannot reach the service manager");
    }
}
