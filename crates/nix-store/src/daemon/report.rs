//! The log about the daemon: one line for each change.

use std::io;
use std::path::{Path, PathBuf};

use super::pool::ConnectionId;
use super::protocol::{DaemonError, Peer, WireError};
use super::unrooted::Unrooted;

/// The last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DaemonHealth {
    Unknown,
    Working,
    Failing(Unrooted),
}

/// Writes the log lines.
#[derive(Debug)]
pub(super) struct DaemonReport {
    socket: PathBuf,
    condition: DaemonHealth,
    /// The newest connection that failed. Successes of an older one are no news.
    failed: Option<ConnectionId>,
    stalled: bool,
    refusal_told: bool,
}

impl DaemonReport {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            condition: DaemonHealth::Unknown,
            failed: None,
            stalled: false,
            refusal_told: false,
        }
    }

    /// A connection was opened. Whether it works is shown by its first answer.
    pub(super) fn opened(&self, peer: &Peer) {
        tracing::debug!(
            socket = %self.socket.display(),
            protocol = %peer.protocol,
            nix.version = peer.nix_version.as_deref(),
            trusted = peer.trusted,
            "connected to the Nix daemon",
        );
    }

    /// The daemon keeps a path.
    pub(super) fn agreed(&mut self, id: ConnectionId) {
        if Some(id) > self.failed && self.becomes(DaemonHealth::Working) {
            tracing::info!(
                socket = %self.socket.display(),
                "the Nix daemon keeps paths alive while they are downloaded",
            );
        }
    }

    /// The daemon does not want to keep one path. Other paths may be different.
    fn refused(&mut self, why: &str) {
        if self.refusal_told {
            tracing::debug!(error = why, "the Nix daemon refuses to keep a path alive");
            return;
        }
        self.refusal_told = true;
        tracing::warn!(
            socket = %self.socket.display(),
            error = why,
            "the Nix daemon refuses to keep a path alive while it is downloaded \
             (said once; is this daemon the one of this store?)",
        );
    }

    /// Whether there is a connection that has not answered for longer than a download waits.
    pub(super) fn stalled(&mut self, stalled: bool) {
        match (std::mem::replace(&mut self.stalled, stalled), stalled) {
            (false, true) => tracing::warn!(
                socket = %self.socket.display(),
                "the Nix daemon does not answer in time, perhaps it is deleting paths; \
                 downloads go on, but a garbage collection may break them",
            ),
            (true, false) => tracing::info!(
                socket = %self.socket.display(),
                "nothing waits for the Nix daemon any more",
            ),
            (false, false) | (true, true) => {}
        }
    }

    /// A connection could not be opened or broke; `served` when it had answered before.
    pub(super) fn lost(&mut self, id: ConnectionId, error: &DaemonError, served: bool) {
        if served && matches!(error, DaemonError::Wire(WireError::Closed)) {
            // Probably a restart. The next attempt tells.
            tracing::debug!("the Nix daemon closed a connection");
            return;
        }
        if let DaemonError::Refused(why) = error {
            return self.refused(why);
        }
        self.failed = self.failed.max(Some(id));
        let cause = cause(error);
        if !self.becomes(DaemonHealth::Failing(cause)) {
            tracing::debug!(%error, "lost a connection to the Nix daemon again");
            return;
        }
        let socket = self.socket.display();
        match error {
            DaemonError::TurnedAway(_) => {
                let uid = rustix::process::geteuid().as_raw();
                tracing::warn!(
                    %socket, %error, uid,
                    "the Nix daemon turns this user away: add the user to `allowed-users` in the \
                     daemon's nix.conf (NixOS: nix.settings.allowed-users); until then a garbage \
                     collection may break downloads",
                );
            }
            DaemonError::Unreachable(source) => unreachable(&socket, source, cause),
            DaemonError::Version { .. }
            | DaemonError::Wire(_)
            | DaemonError::Source(_)
            | DaemonError::NotTaken(_)
            | DaemonError::Refused(_) => {
                tracing::warn!(
                    %socket, %error,
                    "the Nix daemon cannot be used; downloads go on, but a garbage collection may break them",
                )
            }
        }
    }

    /// Returns whether this is new.
    fn becomes(&mut self, condition: DaemonHealth) -> bool {
        let changed = self.condition != condition;
        self.condition = condition;
        changed
    }
}

fn unreachable(socket: &dyn std::fmt::Display, error: &io::Error, cause: Unrooted) {
    match cause {
        Unrooted::Absent => tracing::info!(
            %socket,
            "there is no Nix daemon; downloads go on, but a garbage collection may break them",
        ),
        Unrooted::Refused => tracing::warn!(
            %socket, %error,
            "this user may not connect to the Nix daemon: the socket and the folders above it must \
             be accessible; until then a garbage collection may break downloads",
        ),
        _ => tracing::warn!(
            %socket, %error,
            "cannot connect to the Nix daemon; downloads go on, but a garbage collection may break them",
        ),
    }
}

/// The cause of an unrooted download.
pub(super) fn cause(error: &DaemonError) -> Unrooted {
    match error {
        DaemonError::Unreachable(source) => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unrooted::Absent,
            io::ErrorKind::PermissionDenied => Unrooted::Refused,
            // So many connections wait to be accepted that the daemon cannot be running.
            io::ErrorKind::WouldBlock => Unrooted::TimedOut,
            _ => Unrooted::Failed,
        },
        DaemonError::TurnedAway(_) | DaemonError::Refused(_) => Unrooted::Refused,
        DaemonError::Version { .. }
        | DaemonError::Wire(_)
        | DaemonError::Source(_)
        | DaemonError::NotTaken(_) => Unrooted::Failed,
    }
}
