//! The Nix daemon, which holds a path while it is sent.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rns_doctor::{Finding, FindingId, Outcome};
use rns_nix_store::daemon::{Connection, DaemonError};
use rustix::fs::{Access, access};
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
    let allow = "/etc/nix/nix.conf: extra-allowed-users = rust-nix-serve";
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return refused(error.to_string(), &unlock(socket));
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

/// The groups of this machine.
const GROUPS: &str = "/etc/group";

/// The line that lets this user through to a socket.
fn unlock(socket: &Path) -> String {
    let mut directories: Vec<&Path> = socket.ancestors().skip(1).collect();
    directories.reverse();
    let locked = directories.into_iter().find(|above| access(*above, Access::EXEC_OK).is_err());
    let (locked, of_group, of_others) = match locked {
        Some(directory) => (directory, 0o010, "o+x"),
        None => (socket, 0o020, "o+w"),
    };
    let group = fs::metadata(locked).ok().filter(|locked| locked.mode() & of_group != 0);
    match group.and_then(|locked| group_name(locked.gid())) {
        // The administrator of the machine lets a group in.
        Some(group) => {
            format!("systemctl edit rust-nix-serve: [Service] SupplementaryGroups={group}")
        }
        None => format!("sudo chmod {of_others} {}", locked.display()),
    }
}

fn group_name(gid: u32) -> Option<String> {
    let groups = fs::read_to_string(GROUPS).ok()?;
    let mut fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.find(|fields| fields.get(2).is_some_and(|id| id.parse() == Ok(gid)))?;
    found.first().map(|name| (*name).to_owned())
}
