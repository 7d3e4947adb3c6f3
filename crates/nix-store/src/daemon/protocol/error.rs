//! Failures of a connection to the daemon.

use std::io;

use super::wire::WireError;

/// Why a daemon gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The socket cannot be reached.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] io::Error),
    /// The daemon does not let us in. It closes the connection during the greeting, mostly without
    /// giving a reason, when the user is not in its `allowed-users`.
    #[error("the connection was closed during the greeting{}", reason(.0.as_ref()))]
    TurnedAway(Option<String>),
    /// The daemon speaks a version of the protocol that is not known here.
    #[error("the daemon speaks protocol {major}.{minor}, which is not supported")]
    Version {
        /// First half of the version.
        major: u8,
        /// Second half of the version.
        minor: u8,
    },
    /// The daemon answered with an error.
    ///
    /// The connection can be used further if the daemon understood the question. If it did not (a
    /// path that is not in its store directory, for example), Nix 2.8 to 2.34 send the same error
    /// once more and close the connection. As the two cannot be told apart in time, a new
    /// connection is the safe choice.
    #[error("the daemon answered: {0}")]
    Refused(String),
    /// The daemon of this version has no order for such an object.
    #[error("the daemon takes no {0}")]
    NotTaken(&'static str),
    /// The bytes to be sent could not be read.
    #[error("cannot read what is to be sent: {0}")]
    Source(#[source] io::Error),
    /// The answer was not of the protocol, or broke off.
    #[error(transparent)]
    Wire(#[from] WireError),
}

fn reason(why: Option<&String>) -> String {
    why.map_or_else(String::new, |why| format!(": {why}"))
}
