//! The Nix daemon, which holds a path while it is sent.

use std::io;

use rns_doctor::{Finding, FindingId, Outcome};
use rns_nix_store::daemon::{Connection, DaemonError};
use tokio::net::UnixStream;

use crate::config::Loaded;

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let Some(socket) =
        loaded.store.daemon_socket.as_ref().filter(|_| loaded.backends.has_local_store)
    else {
        return Outcome::NotApplicable;
    };
    let name = socket.display();
    let refused = |why: String, mend: &str| {
        let what = format!("the Nix daemon at {name} cannot be used: {why}");
        Outcome::wrong(Finding::new(FindingId::DaemonRefused, what, mend))
    };
    let allow =
        "/etc/nix/nix.conf: allowed-users = * rust-nix-serve   # and the socket's directory for it";
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return refused(error.to_string(), allow);
        }
        Err(error) => {
            return refused(error.to_string(), "systemctl enable --now nix-daemon.socket");
        }
    };
    match Connection::open(stream).await {
        Ok(connection) => {
            let version = &connection.peer().protocol;
            Outcome::Sound(format!("the Nix daemon lets this user in (protocol {version})"))
        }
        Err(error @ DaemonError::TurnedAway(_)) => refused(error.to_string(), allow),
        Err(error) => refused(error.to_string(), "systemctl restart nix-daemon"),
    }
}
