//! Where the daemon is and how much it is asked for.

use std::path::PathBuf;
use std::time::Duration;

/// How to reach a Nix daemon for temporary roots, and when to go on without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonConfig {
    /// The socket, usually `/nix/var/nix/daemon-socket/socket`.
    pub socket: PathBuf,
    /// Most connections that take new roots at the same time. Each is a process of the daemon.
    ///
    /// Twice as many exist at most, when old ones still hold roots or do not answer.
    pub connections: usize,
    /// A connection takes no new roots after this many, and is closed when the last of its roots
    /// that is needed is released: the daemon drops roots only with their connection.
    pub rotate_after: usize,
    /// A connection takes no new roots when it is this old, either. It bounds how long something that
    /// no download reads any more is kept from being collected.
    pub rotate_every: Duration,
    /// How long a download waits for its root before it goes on without.
    pub deadline: Duration,
    /// Most downloads that wait at the same time; one more goes on without a root at once.
    pub waiting: usize,
    /// How long to leave the daemon alone after it could not be reached.
    pub retry_after: Duration,
    /// When to give up a connection that does not answer at all.
    pub abandon_after: Duration,
}

impl DaemonConfig {
    /// The defaults for the daemon at `socket`.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            connections: 4,
            rotate_after: 128,
            rotate_every: Duration::from_secs(60),
            deadline: Duration::from_secs(2),
            waiting: 1024,
            retry_after: Duration::from_secs(1),
            abandon_after: Duration::from_secs(300),
        }
    }
}
