//! The meaning of a daemon's refusal to a client and to the operator.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use rns_cache::{CacheError, PublishError};

use crate::daemon::{DaemonError, ProtocolVersion};

/// Whether it was said already that the daemon wants signatures.
static TOLD: AtomicBool = AtomicBool::new(false);

/// The answer to a pusher whose path, or log, the daemon does not take. The operator is told the rest here.
pub(super) fn refused(object: &str, error: &DaemonError) -> PublishError {
    let unavailable = |remedy| {
        let what = format!("the Nix daemon does not take {object}: {error}");
        PublishError::Cache(CacheError::Unavailable { what, remedy })
    };
    match error {
        DaemonError::Refused(why) if wants_trust(why) => {
            if !TOLD.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "the Nix daemon refused {object}: {why}. It takes paths that are signed by a key in its \
                     trusted-public-keys, which the public key of this server can be, or anything from a user in \
                     its trusted-users (said once)"
                );
            }
            PublishError::Untrusted { object: object.to_owned() }
        }
        DaemonError::Refused(why) if why.contains("No space left on device") => PublishError::Full,
        DaemonError::Refused(why) if why.contains("already have another one") => {
            PublishError::Conflict { object: object.to_owned() }
        }
        DaemonError::Refused(why) if why.contains("experimental") => PublishError::Unsupported {
            object: object.to_owned(),
            why: "its Nix daemon has that feature switched off".to_owned(),
        },
        DaemonError::NotTaken(what) => PublishError::Unsupported {
            object: object.to_owned(),
            why: format!("its Nix daemon takes no {what}"),
        },
        DaemonError::Version { .. } => {
            let oldest = ProtocolVersion::OLDEST_FOR_UPLOADS;
            tracing::error!(
                "uploads into the store need a daemon of protocol {oldest}, of Nix 2.4"
            );
            unavailable("use a daemon of Nix 2.4 or later")
        }
        DaemonError::Refused(_) => unavailable("see the log of the Nix daemon"),
        DaemonError::Unreachable(source) => unavailable(way_to_daemon(source)),
        DaemonError::TurnedAway(_) => {
            unavailable("add the user of this server to allowed-users of the Nix daemon")
        }
        DaemonError::Source(_) | DaemonError::Wire(_) => unavailable("the client tries again"),
    }
}

/// Whether the daemon says that a signature, or the right of a trusted user, is missing.
fn wants_trust(why: &str) -> bool {
    // Nix up to 2.23, those after it, and orders that only trusted users may give.
    ["lacks a valid signature", "lacks a signature by a trusted key", "you are not privileged"]
        .iter()
        .any(|text| why.contains(text))
}

/// How the daemon can be reached.
pub(super) fn way_to_daemon(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "let the user of this server through to the socket of the Nix daemon: the group of its directory"
    } else {
        "start the Nix daemon, or name its socket in store.daemon_socket"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_socket_is_no_missing_daemon() {
        let remedy =
            |kind: io::ErrorKind| match refused("x", &DaemonError::Unreachable(kind.into())) {
                PublishError::Cache(CacheError::Unavailable { remedy, .. }) => remedy,
                other => panic!("{other}"),
            };
        assert!(remedy(io::ErrorKind::PermissionDenied).contains("group of its directory"));
        assert!(remedy(io::ErrorKind::NotFound).starts_with("start the Nix daemon"));
    }
}
